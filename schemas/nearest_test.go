package schemas

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	fields := []string{"sku", "name", "description", "country_of_origin", "weight", "Größe", "u"}
	for _, tt := range []struct{ name, want string }{
		{"sku", "sku"},
		{"SKU", "sku"},
		{"skuu", "sku"},
		{"ksu", "sku"}, // neighbours swapped
		{"naem", "name"},
		{"descripton", "description"},
		{"country_of_orign", "country_of_origin"},
		{"wieght", "weight"},
		{"Größen", "Größe"},
		{"xyz", ""},
		{"", ""},
		{"x", ""}, // nothing in common with u, though one letter apart
		{"color", ""},
	} {
		if got := Nearest(tt.name, fields); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := Nearest("sku", nil); got != "" {
		t.Errorf("Nearest among none = %q", got)
	}
	if got := DidYouMean("spilt", []string{"split", "join"}); got != ", did you mean split?" {
		t.Errorf("DidYouMean(spilt) = %q", got)
	}
	if got := DidYouMean("qqq", []string{"split", "join"}); got != "" {
		t.Errorf("DidYouMean(qqq) = %q", got)
	}
}

func TestEditDistanceIsADistance(t *testing.T) {
	word := rapid.StringMatching(`[a-cäß]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := editDistance(a, b)
		if d != editDistance(b, a) {
			t.Fatalf("from %q to %q it is not as far as back", a, b)
		}
		if (d == 0) != (a == b) {
			t.Fatalf("editDistance(%q, %q) = %d", a, b, d)
		}
		longer, shorter := max(utf8.RuneCountInString(a), utf8.RuneCountInString(b)), min(utf8.RuneCountInString(a), utf8.RuneCountInString(b))
		if d > longer || d < longer-shorter {
			t.Fatalf("editDistance(%q, %q) = %d, between %d and %d expected", a, b, d, longer-shorter, longer)
		}
	})
}

func TestQuoteShortBoundsWhatItQuotes(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `""`},
		{`a "b"`, `"a \"b\""`},
		{"bad \xff", "\"bad \uFFFD\""},
		{strings.Repeat("ä", 60), `"` + strings.Repeat("ä", 60) + `"`},
		{strings.Repeat("ä", 61), `"` + strings.Repeat("ä", 60) + `…"`},
	} {
		if got := QuoteShort(tt.in); got != tt.want {
			t.Errorf("QuoteShort(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
	if got := Shorten(strings.Repeat("x", 1000)); utf8.RuneCountInString(got) != 201 {
		t.Errorf("Shorten keeps %d characters", utf8.RuneCountInString(got))
	}
}
