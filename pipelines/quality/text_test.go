package quality

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCheckDigitOfPublishedNumbers(t *testing.T) {
	for _, gtin := range []string{
		"6291041500213",  // the worked example of the GS1 General Specifications
		"036000291452",   // UPC-A
		"40170725",       // GTIN-8
		"10614141000415", // GTIN-14
		"9780306406157",  // ISBN-13, which is a GTIN
		"00000000",
	} {
		if fault := gtinFault(gtin); fault != "" {
			t.Errorf("%s %s", gtin, fault)
		}
	}
}

func TestCheckDigitFindsEveryWrongDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int{7, 11, 12, 13}).Draw(t, "length")
		digits := rapid.StringMatching(`[0-9]{13}`).Draw(t, "digits")[:length]
		gtin := digits + string(checkDigit(digits))
		if fault := gtinFault(gtin); fault != "" {
			t.Fatalf("%s %s", gtin, fault)
		}
		// GS1's weights 3 and 1 have no common divisor with 10, so that no
		// change of one digit goes unseen.
		at := rapid.IntRange(0, length).Draw(t, "at")
		other := (gtin[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10 + '0'
		wrong := gtin[:at] + string(other) + gtin[at+1:]
		fault := gtinFault(wrong)
		if !strings.HasPrefix(fault, "has check digit "+wrong[length:]) {
			t.Fatalf("%s instead of %s: %q", wrong, gtin, fault)
		}
		right := strings.TrimSuffix(strings.Split(fault, ", ")[1], " would be right")
		if mended := wrong[:length] + right; gtinFault(mended) != "" {
			t.Fatalf("%s was proposed: it %s", mended, gtinFault(mended))
		}
	})
}

func FuzzGTIN(f *testing.F) {
	for _, seed := range []string{"4006381333931", "400638133393", "4 006381 333931", "4.00638E+12", "", "\u00a04006381333931", "\xff", "٤"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault := gtinFault(text)
		if fault == "" && (strings.Trim(text, "0123456789") != "" || len(text) < 8 || len(text) > 14) {
			t.Errorf("%q passes", text)
		}
		isClause(t, fault)
	})
}

// isClause fails unless a message is short, printable and on one line, whatever
// the value was.
func isClause(t *testing.T, message string) {
	t.Helper()
	if !utf8.ValidString(message) || strings.ContainsAny(message, "\n\r\t") || len(message) > 700 {
		t.Errorf("message %q", message)
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/a.jpg?x=1#y", "http://example.com", "https://user@example.com", "https://[::1]/", "https://exa mple.com",
		"//example.com", "https://example.com:0/", "https://example.com/%zz", "https://./", "https://%41/", "https:example.com", "C:\\a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault := anyURLFault(text)
		isClause(t, fault)
		if isPlainURL(text) && fault != "" {
			t.Errorf("%q is taken to be plain, but %s", text, fault)
		}
		if fault == "" && (strings.ContainsAny(text, " \t\n\\") || !strings.Contains(text, "://")) {
			t.Errorf("%q passes", text)
		}
	})
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{
		"a@example.com", "a.b-c_d+e@x-y.example.com", "a@b", "@", "a@@b.c", "a..b@c.de", "a@b.c1", "a@1.2", "ü@ü.example", "\xff@example.com",
		"a@" + strings.Repeat("b", 64) + ".com", strings.Repeat("a", 65) + "@example.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault := anyEmailFault(text)
		isClause(t, fault)
		if isPlainEmail(text) && fault != "" {
			t.Errorf("%q is taken to be plain, but %s", text, fault)
		}
		if _, domain, _ := strings.Cut(text, "@"); fault == "" && (!strings.Contains(domain, ".") || len(text) > maxEmailBytes) {
			t.Errorf("%q passes", text)
		}
	})
}

// Whatever a list looks like, its items are those that JSON reads.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{`["a","b"]`, `[]`, `[""]`, `["a", "b"]`, `["a\"b","c"]`, `["a",]`, `["a"`, `,"a"]`, `["a"]]`, `[null]`, `null`, `["\u00e4"]`, "[\"a\nb\"]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, want []string
		fault := eachItem(func(item string) string {
			got = append(got, strings.ToValidUTF8(item, "\uFFFD"))
			return ""
		})(text)
		err := json.Unmarshal([]byte(text), &want)
		if err != nil {
			// Items of a damaged list may have been looked at before the damage
			// was seen. A plain list is not searched for control characters.
			if fault == "" && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) {
				t.Errorf("%q passes: %s", text, err)
			}
			return
		}
		// A list that turns out not to be plain is looked at from its beginning.
		if len(got) > len(want) {
			got = got[len(got)-len(want):]
		}
		if diff := cmp.Diff(want, got); fault != "" || diff != "" && len(want) > 0 && utf8.ValidString(text) {
			t.Errorf("%q: %s, -want +got\n%s", text, fault, diff)
		}
	})
}

func TestRememberingIsBoundedAndRight(t *testing.T) {
	asked := 0
	test := remembering(func(text string) string {
		asked++
		return "is " + text
	})
	for range 3 {
		for _, text := range []string{"a", "b", "a"} {
			if got := test(text); got != "is "+text {
				t.Errorf("%s %s", text, got)
			}
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times about two texts", asked)
	}
	for i := range 30_000 {
		test(strings.Repeat("x", i%3) + string(rune(i)))
	}
	if got := test("a"); got != "is a" {
		t.Errorf("a %s", got)
	}
}
