package jsonfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
)

// scan yields what a document holds, as the text, row and spot of each record.
func scan(ctx context.Context, in io.Reader, m mode, records string) (got []string, err error) {
	p, err := parsePath(records)
	if err != nil {
		return nil, err
	}
	r := recordsOf(in, m, p)
	for {
		rec, err := r.next(ctx)
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, fmt.Sprintf("%d at %d:%d+%d %q", rec.row, rec.at.line, rec.at.column, rec.at.offset, rec.text))
	}
}

func recordsOf(in io.Reader, m mode, p path) *records {
	d := &document{file: connectors.File{Name: "x.json"}, mode: m, path: p}
	return &records{doc: d, text: &text{Reader: in}, s: newScanner(in, "x.json", start().spot)}
}

func TestRecordsKnowTheirPlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mode    mode
		records string
		in      string
		want    []string
	}{
		{"lines", lines, "", "{\"a\":1}\r\n\n{\"ä\":2}\n{}", []string{
			`1 at 1:1+0 "{\"a\":1}"`, `2 at 2:1+9 ""`, `3 at 3:1+10 "{\"ä\":2}"`, `4 at 4:1+19 "{}"`,
		}},
		{"array", array, "", " [ {\"ä\":\"]\\\"\"} ,\n[1,[2]], 3 ,\"x\"\n,null\n]\n", []string{
			`1 at 1:4+3 "{\"ä\":\"]\\\"\"}"`, `2 at 2:1+18 "[1,[2]]"`, `3 at 2:10+27 "3"`, `4 at 2:13+30 "\"x\""`, `5 at 3:2+35 "null"`,
		}},
		{"array of one", array, "", `[1]`, []string{`1 at 1:2+1 "1"`}},
		{"empty array", array, "", "[]", nil},
		{"path", array, "a.b", `{"x":[{"b":[9]}],"a":{"c":{},"b":[{"d":"}"}]} , "y":"\\"}`, []string{`1 at 1:35+34 "{\"d\":\"}\"}"`}},
		{"escaped name", array, "a.b", `{"\u0061":{"b":[1]}}`, []string{`1 at 1:17+16 "1"`}},
		{"one", one, "", "\n {\"a\":\n1}\n", []string{`1 at 2:2+2 "{\"a\":\n1}"`}},
	} {
		for how, in := range map[string]io.Reader{
			"at once": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
			"with the end": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			got, err := scan(t.Context(), in, tt.mode, tt.records)
			if err != nil {
				t.Errorf("%s, %s: %v", tt.name, how, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, how, diff)
			}
		}
	}
}

func anyValue(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("ab\"\\{}[],: \n\té€😀"))).AsAny(),
		rapid.Int().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.Float64Range(-1e6, 1e6).AsAny(),
	)
	if depth == 0 {
		return leaf
	}
	inner := anyValue(depth - 1)
	return rapid.OneOf(leaf, rapid.SliceOfN(inner, 0, 4).AsAny(),
		rapid.MapOfN(rapid.StringMatching(`[a-e"\\{]{0,3}`), inner, 0, 4).AsAny())
}

// Whatever an array holds, the scanner cuts it into what it was made of,
// however the text arrives.
func TestScannerCutsAnyArray(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elements := rapid.SliceOfN(anyValue(3), 0, 6).Draw(t, "elements")
		indent := rapid.Bool().Draw(t, "indent")
		document := map[string]any{"a": anyValue(2).Draw(t, "before"), "d": map[string]any{"i": elements}, "e": anyValue(2).Draw(t, "behind")}
		content, err := json.Marshal(document)
		if indent {
			content, err = json.MarshalIndent(document, " ", "\t")
		}
		if err != nil {
			t.Fatal(err)
		}
		p := path{members: []string{"d", "i"}, given: true}
		r := recordsOf(iotest.OneByteReader(strings.NewReader(string(content))), array, p)
		for i, want := range elements {
			rec, err := r.next(t.Context())
			if err != nil {
				t.Fatalf("%s: element %d: %v", content, i, err)
			}
			var got any
			if err := json.Unmarshal(rec.text, &got); err != nil {
				t.Fatalf("%s: element %d is cut to %q: %v", content, i, rec.text, err)
			}
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(normal(t, want))
			if string(a) != string(b) || rec.row != int64(i+1) {
				t.Fatalf("%s: element %d is %s, want %s", content, rec.row, a, b)
			}
			if string(content[rec.at.offset:rec.at.offset+int64(len(rec.text))]) != string(rec.text) {
				t.Fatalf("%s: element %d does not stand at %d", content, i, rec.at.offset)
			}
		}
		if _, err := r.next(t.Context()); !errors.Is(err, io.EOF) {
			t.Fatalf("%s: the end is %v", content, err)
		}
	})
}

// normal is a value as it comes out of JSON.
func normal(t *rapid.T, v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestScannerStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	endless := iotest.OneByteReader(io.MultiReader(strings.NewReader("["), forever{}))
	r := recordsOf(&cancelling{in: endless, after: 100, cancel: cancel}, array, path{})
	if _, err := r.next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("next: %v", err)
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '['
	}
	return len(p), nil
}

// cancelling cancels a context while it is read.
type cancelling struct {
	in     io.Reader
	after  int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.after--; c.after == 0 {
		c.cancel()
	}
	return c.in.Read(p)
}

func TestScannerReportsWhatCannotBeRead(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("[{\"a\":1},\n{"), iotest.ErrReader(errors.New("disk on fire")))
	_, err := scan(t.Context(), broken, array, "")
	if errText(err) != "x.json:2:2: cannot be read on: disk on fire" {
		t.Errorf("scan: %v", err)
	}
}

func TestFollowsAnother(t *testing.T) {
	for _, tt := range []struct {
		head string
		want bool
	}{
		{"{\"a\":1}\n{\"a\":2}", true},
		{"{\"a\":1}\r\n\r\n{\"a\":2}", true},
		{"{\"a\":1}{\"a\":2}", true},
		{"{\"a\":1}\nrubbish", true},
		{"{\"a\":1\n{\"a\":2}\n", true},   // a bracket is missing
		{"{\"a\":\"x\n{\"a\":2}\n", true}, // a quote is missing
		{"{\"a\":1,}\n{\"a\":2}\n", true}, // a comma too many
		{"{\"a\":1}", false},
		{"{\"a\":1}\n \n", false},
		{"{\n\"a\":1}", false},
		{"{\"a\":\n{\"b\":1}}", false},
		{"{\"a\":[\n{\"b\":1}]}", false},
		{"{\"a\":[{\"b\":1},\n{\"b\":1}]}", false},
	} {
		if got := followsAnother([]byte(tt.head)); got != tt.want {
			t.Errorf("followsAnother(%q) = %t", tt.head, got)
		}
	}
}
