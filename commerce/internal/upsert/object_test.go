package upsert

import (
	"encoding/json"
	"maps"
	"slices"
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

// An object of which the row sends every member is replaced as a whole.
func TestAnObjectIsReplacedWhereEveryMemberIsSent(t *testing.T) {
	names := []string{"", "a", `a"`, `a"b`, "a\\", "b\n", "b\x00", "größe", "size", "{", "},", `":"`}
	rapid.Check(t, func(r *rapid.T) {
		members := rapid.MapOf(rapid.SampledFrom(names), rapid.SampledFrom(names))
		stored := members.Draw(r, "stored")
		var sent []input
		want, absent := true, []bool{rapid.Bool().Draw(r, "absent")}
		for _, name := range slices.Sorted(maps.Keys(members.Draw(r, "sent"))) {
			sent = append(sent, input{sub: name, quoted: appendString(nil, name), absent: absent})
		}
		object := []byte{'{'}
		for i, name := range slices.Sorted(maps.Keys(stored)) {
			if i > 0 {
				object = append(object, ',')
			}
			object = append(appendString(object, name), ':')
			object = appendString(object, stored[name])
			want = want && !absent[0] && slices.ContainsFunc(sent, func(in input) bool { return in.sub == name })
		}
		object = append(object, '}')
		if got := replaces(string(object), sent, 0); got != want {
			r.Fatalf("%s is replaced: %v, want %v", object, got, want)
		}
	})
	for _, broken := range []string{"", "{", "[]", `{"a"`, `{"a":`, `{"a":1}`, `{"a":"b"`, `{"a":"b",`, `{"a" : "b"}`, `{"a`, `{"a\`} {
		if replaces(broken, []input{{quoted: []byte(`"a"`)}}, 0) {
			t.Errorf("%s passes for an object that is replaced", broken)
		}
	}
}
