package jsonfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	for _, tt := range []struct {
		in      string
		want    []string
		written string
		wantErr string
	}{
		{"$", nil, "$", ""},
		{"$.data.items", []string{"data", "items"}, "$.data.items", ""},
		{"data.items", []string{"data", "items"}, "$.data.items", ""},
		{"data.items[*]", []string{"data", "items"}, "$.data.items", ""},
		{"$[*]", nil, "$", ""},
		{"$['data']['items']", []string{"data", "items"}, "$.data.items", ""},
		{`$["a.b"].c`, []string{"a.b", "c"}, `$["a.b"].c`, ""},
		{`['a b']`, []string{"a b"}, `$["a b"]`, ""},
		{"Größe", []string{"Größe"}, "$.Größe", ""},
		{"[*]", nil, "", `is "[*]", but must be a path of member names such as $.data.items`},
		{"x$", []string{"x$"}, "$.x$", ""},
		{"$x", nil, "", `is "$x", but must be a path of member names such as $.data.items`},
		{"$.", nil, "", `is "$.", but must be a path of member names such as $.data.items`},
		{"a..b", nil, "", `is "a..b", but must be a path of member names such as $.data.items`},
		{"a.", nil, "", `is "a.", but must be a path of member names such as $.data.items`},
		{"$.*.b", nil, "", `is "$.*.b", but must be a path of member names such as $.data.items`},
		{"$.a[0].b", nil, "", `is "$.a[0].b", but must be a path of member names such as $.data.items`},
		{"$['a", nil, "", `is "$['a", in which a bracket is not closed`},
		{`$['a"]`, nil, "", `is "$['a\"]", in which a bracket is not closed`},
	} {
		got, err := parsePath(tt.in)
		if msg := errText(err); msg != tt.wantErr {
			t.Errorf("parsePath(%q) error = %q, want %q", tt.in, msg, tt.wantErr)
			continue
		}
		if err != nil {
			continue
		}
		if diff := cmp.Diff(tt.want, got.members); diff != "" || !got.given || got.String() != tt.written {
			t.Errorf("parsePath(%q) = %q, given %t\n%s", tt.in, got, got.given, diff)
		}
	}
	if p, err := parsePath(""); err != nil || p.given {
		t.Errorf("parsePath of nothing = %v, %v", p, err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What is offered to a user as a path can be set as it is.
func TestPathsAreReadBack(t *testing.T) {
	name := rapid.StringMatching(`[a-zA-Z_.\[ä' -]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfN(name, 1, 4).Draw(t, "members")
		text := pathTo(members)
		back, err := parsePath(text)
		if err != nil {
			t.Fatalf("%q becomes %s: %v", members, text, err)
		}
		if diff := cmp.Diff(members, back.members); diff != "" {
			t.Fatalf("%q becomes %s\n%s", members, text, diff)
		}
	})
}
