package jsonfile

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
)

// parseOne parses one record with columns learned from it.
func parseOne(t testing.TB, text string) (*parser, *fault) {
	t.Helper()
	tr := newTree(5, explosion{})
	newParser(tr, true).parse(record{text: []byte(text), whole: true})
	if err := tr.makeColumns(); err != nil {
		t.Fatal(err)
	}
	p := newParser(tr, false)
	return p, p.parse(record{text: []byte(text), whole: true})
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0", "0"},
		{"-0", "-0"},
		{"12.50", "12.50"},
		{"0.000", "0.000"},
		{"12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"},
		{"1e3", "1000"},
		{"1E+3", "1000"},
		{"1e0", "1"},
		{"1e-3", "0.001"},
		{"-1.5e1", "-15"},
		{"-1.50e1", "-15.0"},
		{"1.5e-3", "0.0015"},
		{"12.5e-1", "1.25"},
		{"12.5e-2", "0.125"},
		{"12.5e-5", "0.000125"},
		{"0.001e3", "1"},
		{"0.0015e3", "1.5"},
		{"0e5", "0"},
		{"0.0e-2", "0.000"},
		{"1e400", "1" + strings.Repeat("0", 400)},
		{"1e401", "1e401"}, // no number that is meant; it is refused as a decimal
		{"1e-401", "1e-401"},
		{"1e99999999999999999999", "1e99999999999999999999"},
	} {
		p, fault := parseOne(t, `{"a":`+tt.in+`}`)
		if fault != nil {
			t.Errorf("%s: %s", tt.in, fault.message)
			continue
		}
		if c := p.cells[0]; string(c.value) != tt.want || c.kind != connectors.NumberCell {
			t.Errorf("%s becomes %s, want %s", tt.in, c.value, tt.want)
		}
	}
}

func TestNumbersWithoutExponentAreTheSameNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,8})?[eE][+-]?[0-9]{1,2}`).Draw(t, "literal")
		p := parser{buf: []byte(literal)}
		got, fault := p.number()
		if fault != nil || p.at != len(literal) {
			t.Fatalf("%s: %+v at %d", literal, fault, p.at)
		}
		want, _ := new(big.Rat).SetString(literal)
		plain, ok := new(big.Rat).SetString(string(got))
		if !ok || plain.Cmp(want) != 0 || strings.ContainsAny(string(got), "eE+") {
			t.Fatalf("%s becomes %s", literal, got)
		}
		if whole, _, _ := strings.Cut(strings.TrimPrefix(string(got), "-"), "."); len(whole) > 1 && whole[0] == '0' {
			t.Fatalf("%s becomes %s", literal, got)
		}
	})
}

func TestFaultsOfRecords(t *testing.T) {
	for _, tt := range []struct{ in, rule, message string }{
		{``, malformed, "found the end where a value should be"},
		{`{`, malformed, "found the end where the name of a member in quotes should be"},
		{`{"a"`, malformed, "found the end where ':' should be"},
		{`{"a" 1}`, malformed, "found '1' where ':' should be"},
		{`{"a":}`, malformed, "found '}' where a value should be"},
		{`{"a":1,}`, malformed, "found '}' where the name of a member in quotes should be"},
		{`{"a":1 "b":2}`, malformed, "found a quote where ',' or '}' should be"},
		{`{a:1}`, malformed, "found 'a' where the name of a member in quotes should be"},
		{`{'a':1}`, malformed, `found '\'' where the name of a member in quotes should be`},
		{`{"a":1} // x`, malformed, "found '/' where the end of the record should be"},
		{`{"a":tru}`, malformed, "found 't' where a value should be"},
		{`{"a":True}`, malformed, "found 'T' where a value should be"},
		{`{"a":NaN}`, malformed, "found 'N' where a value should be"},
		{`{"a":-}`, malformed, "found '}' where a digit should be"},
		{`{"a":+1}`, malformed, "found '+' where a value should be"},
		{`{"a":.5}`, malformed, "found '.' where a value should be"},
		{`{"a":1.}`, malformed, "found '}' where a digit should be"},
		{`{"a":1e}`, malformed, "found '}' where a digit should be"},
		{`{"a":1e+}`, malformed, "found '}' where a digit should be"},
		{`{"a":1,5}`, malformed, "found '5' where the name of a member in quotes should be"},
		{`{"a":00}`, malformed, "found '0' where no digit behind a leading zero (text such as 0017 stands in quotes), but ',' or '}' should be"},
		{`{"a":0x1F}`, malformed, "found 'x' where ',' or '}' should be"},
		{`{"a":"x`, malformed, "found the end where a closing quote should be"},
		{`{"a":"x\`, malformed, "found the end where a closing quote should be"},
		{`{"a":"\x"}`, malformed, `found 'x' where an escape such as \n or \u00e9 should be`},
		{`{"a":"\u12g4"}`, malformed, `found 'u' where an escape such as \n or \u00e9 should be`},
		{"{\"a\":\"x\ty\"}", malformed, `found '\t' where a closing quote, or an escape such as \n, should be`},
		{`{"a":[1,]}`, malformed, "found ']' where a value should be"},
		{`{"a":[1}`, malformed, "found '}' where ',' or ']' should be"},
		{`{"a":[{"b":1]}`, malformed, "found ']' where ',' or '}' should be"},
		{`{"a":[{"b" 1}]}`, malformed, "found '1' where ':' should be"},
		{"{\"a\":\xff}", malformed, "found the byte 0xff where a value should be"},
		{`{"a":1,"a":2}`, duplicate, `the member "a" stands twice in an object`},
		{`{"a":1,"\u0061":2}`, duplicate, `the member "a" stands twice in an object`},
		{`{"a":{"b":1,"b":2}}`, duplicate, `the member "b" stands twice in an object`},
		{`{"a":{"b":1},"a":{"c":2}}`, duplicate, `the member "a" stands twice in an object`},
		{`{"a":[{"b":1,"\u0062":2}]}`, duplicate, `the member "b" stands twice in an object`},
		{"{\"\xff\":1}", encoding, "a text is not UTF-8: have the file written as UTF-8, as JSON must be"},
		{"{\"a\":[\"\xc3\"]}", encoding, "a text is not UTF-8: have the file written as UTF-8, as JSON must be"},
		{`{"a":"\udc00"}`, encoding, `a text contains \udc00, which is half a character: the program that wrote it cut a text in the middle`},
		{`{"a":"\ud800\ud800"}`, encoding, `a text contains \ud800, which is half a character: the program that wrote it cut a text in the middle`},
		{`[]`, notObject, `the record is no object, as {"sku": "A1"} is one`},
		{`"x"`, notObject, `the record is no object, as {"sku": "A1"} is one`},
		{`null`, notObject, `the record is no object, as {"sku": "A1"} is one`},
		// Syntax that is broken outweighs what can be passed over.
		{`{"a":1,"a":2`, malformed, "found the end where ',' or '}' should be"},
	} {
		_, fault := parseOne(t, tt.in)
		if fault == nil {
			t.Errorf("%s: no fault", tt.in)
			continue
		}
		if fault.rule != tt.rule || fault.message != tt.message {
			t.Errorf("%s: %s: %s\nwant %s: %s", tt.in, fault.rule, fault.message, tt.rule, tt.message)
		}
	}
}

func TestARecordThatIsTooLongIsRefused(t *testing.T) {
	fault := newParser(newTree(5, explosion{}), true).parse(record{text: []byte(`{"a":`)})
	if fault == nil || fault.rule != tooLong {
		t.Errorf("parse: %+v", fault)
	}
}

func TestColumnsAreThoseOfAllRecords(t *testing.T) {
	for _, tt := range []struct {
		name    string
		records []string
		want    []string
	}{
		{"in the order in which they came", []string{`{"b":1,"a":2}`, `{"a":1,"c":3,"b":2}`}, []string{"b", "a", "c"}},
		{"members of objects stand together", []string{`{"p":{"x":1},"q":1}`, `{"p":{"y":2}}`}, []string{"p.x", "p.y", "q"}},
		{"null alone", []string{`{"a":null}`}, []string{"a"}},
		{"null beside an object", []string{`{"a":null}`, `{"a":{"b":1}}`}, []string{"a.b"}},
		{"an empty object alone", []string{`{"a":{}}`}, []string{"a"}},
		{"an empty object beside others", []string{`{"a":{}}`, `{"a":{"b":1}}`}, []string{"a.b"}},
		{"a text beside an object", []string{`{"a":"x"}`, `{"a":{"b":1}}`}, []string{"a", "a.b"}},
		{"no name", []string{`{"":{"":1}}`}, []string{"."}},
		{"as deep as is flattened", []string{`{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}`}, []string{"a.b.c.d.e.f"}},
	} {
		tr := newTree(5, explosion{})
		p := newParser(tr, true)
		for _, text := range tt.records {
			if fault := p.parse(record{text: []byte(text), whole: true}); fault != nil {
				t.Fatalf("%s: %s", text, fault.message)
			}
		}
		if err := tr.makeColumns(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, tr.columns); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A parser that was used for many records finds in each what a new one finds.
func TestParserForgetsTheRecordBefore(t *testing.T) {
	texts := []string{
		`{"a":"\u00e4","b":{"c":[1,{"x":1}],"d":1e2}}`, `{"b":null}`, `{"a":1,"a":2}`, `{"b":{"c":"\n"}}`, `{"a":`, `{"e":{}}`, `{"a":{"f":true}}`, `{}`,
	}
	tr := newTree(5, explosion{})
	learner := newParser(tr, true)
	for _, text := range texts {
		learner.parse(record{text: []byte(text), whole: true})
	}
	if err := tr.makeColumns(); err != nil {
		t.Fatal(err)
	}
	cells := func(p *parser, text string) string {
		fault := p.parse(record{text: []byte(text), whole: true})
		s := fmt.Sprintf("%v", fault != nil)
		for i, c := range p.cells {
			if c.stamp == p.stamp {
				s += fmt.Sprintf(" %s=%q/%d", tr.columns[i], c.value, c.kind)
			}
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		used := newParser(tr.clone(), false)
		for _, text := range rapid.SliceOfN(rapid.SampledFrom(texts), 1, 20).Draw(t, "records") {
			if got, want := cells(used, text), cells(newParser(tr.clone(), false), text); got != want {
				t.Fatalf("%s: used parser %s, new parser %s", text, got, want)
			}
		}
	})
}
