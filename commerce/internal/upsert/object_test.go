package upsert

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTextsAreWrittenAsJSONReadsThem(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		written := appendString(nil, s)
		var got string
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("%q is written as %s: %v", s, written, err)
		}
		if utf8.ValidString(s) && got != s {
			t.Fatalf("%q is written as %s and read as %q", s, written, got)
		}
	}
	for c := range 256 {
		for length := range 20 {
			text := []byte("abcdefghijklmnopqrst")[:length+1]
			text[length] = byte(c)
			check(t, string(text))
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		check(r, rapid.String().Draw(r, "text"))
		check(r, string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "bytes")))
	})
}

func TestInvalidTextsHaveOneForm(t *testing.T) {
	if got := string(appendString(nil, "a\xffb\xc3")); got != "\"a\uFFFDb\uFFFD\"" {
		t.Errorf("written as %q", got)
	}
}
