package schemas

import (
	"embed"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// A CodeList names a public list of codes that a field may be held to.
type CodeList string

// The code lists, by the standard that each is.
const (
	Currencies CodeList = "ISO 4217"
	Units      CodeList = "UN/ECE Rec 20" // with the package codes of Rec 21 behind an X, as e-invoices have them
	Countries  CodeList = "ISO 3166-1 alpha-2"
	Languages  CodeList = "BCP 47"
)

//go:embed codes/*.txt
var codeFiles embed.FS

// KnownCode reports whether code stands in the list, written as the standard
// writes it: EUR is known and eur is not.
func KnownCode(list CodeList, code string) bool {
	switch list {
	case Currencies:
		_, ok := currencyTable().byCode[code]
		return ok
	case Units:
		_, ok := unitTable().byCode[code]
		return ok
	case Countries:
		return countryTable().codes[code]
	case Languages:
		// Raw leaves a tag as it was written, but for the case of its letters,
		// which RFC 5646 recommends and we ask for: one language, one spelling.
		tag, err := language.Raw.Parse(code)
		return err == nil && tag != language.Und && tag.String() == code
	}
	return false
}

// CodeHint returns ", did you mean EUR?" for a text that is no code of the
// list but can be understood as one: in another case, as a symbol, as a name
// in one of the languages of our users. It returns "" where it cannot.
func CodeHint(list CodeList, code string) string {
	if KnownCode(list, code) {
		return ""
	}
	if list == Currencies {
		if former := currencyTable().former[strings.ToUpper(strings.TrimSpace(code))]; former != "" {
			return ", which ISO 4217 has withdrawn, did you mean " + former + "?"
		}
	}
	near := NearCode(list, code)
	if near == "" {
		return ""
	}
	return ", did you mean " + near + "?"
}

// NearCode returns the code of the list that a text means, as [CodeHint] hints
// at it, or "".
func NearCode(list CodeList, text string) string {
	switch list {
	case Currencies:
		return lookUp(currencyTable().byCode, currencyTable().spellings, text)
	case Units:
		return nearUnit(text)
	case Countries:
		return countryTable().near(text)
	case Languages:
		return nearLanguage(text)
	}
	return ""
}

// lookUp finds the code that a text means: the code in another case, or one
// of its spellings.
func lookUp[V any](codes map[string]V, spellings map[string]string, text string) string {
	if upper := strings.ToUpper(strings.TrimSpace(text)); upper != "" {
		if _, ok := codes[upper]; ok {
			return upper
		}
	}
	return spellings[squeeze(text)]
}

// squeeze takes from a spelling what people vary: case, blanks and points.
func squeeze(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '.', '\t', '\u00a0', '\u202f':
			return -1
		}
		return r
	}, strings.ToLower(text))
}

// codeLines yields the lines of a data file that hold data, cut at "|".
func codeLines(name string, line func(cells []string)) {
	text, err := codeFiles.ReadFile("codes/" + name)
	if err != nil {
		panic(err) // the file is part of the binary
	}
	for s := range strings.Lines(string(text)) {
		s = strings.TrimSpace(s)
		if s != "" && !strings.HasPrefix(s, "#") {
			line(strings.Split(s, "|"))
		}
	}
}

// CurrencyDigits returns how many digits amounts of a currency have after the
// point: 2 for EUR, 0 for JPY, 3 for KWD. It is false for what is unknown and
// for what the standard gives no digits, as gold.
func CurrencyDigits(code string) (int, bool) {
	digits, ok := currencyTable().byCode[code]
	return digits, ok && digits >= 0
}

type currencies struct {
	byCode    map[string]int    // digits, or -1
	spellings map[string]string // squeezed, to code
	former    map[string]string // withdrawn code to its successor
}

var currencyTable = sync.OnceValue(func() *currencies { //nolint:gochecknoglobals // read only
	t := &currencies{map[string]int{}, map[string]string{}, map[string]string{}}
	codeLines("currencies.txt", func(cells []string) {
		code, digits := cells[0], -1
		if cells[1] != "" {
			digits, _ = strconv.Atoi(cells[1])
		}
		t.byCode[code] = digits
		t.spellings[squeeze(cells[2])] = code
		for spelling := range strings.SplitSeq(cells[3], ", ") {
			t.spellings[squeeze(spelling)] = code
		}
		for former := range strings.FieldsSeq(cells[4]) {
			t.former[former] = code
		}
	})
	delete(t.spellings, "")
	return t
})

// hintLanguages are those in which names of countries and languages are understood.
var hintLanguages = []language.Tag{ //nolint:gochecknoglobals // read only
	language.English, language.German, language.French, language.Italian, language.Spanish, language.Dutch,
}

type countries struct {
	codes  map[string]bool
	alpha3 map[string]string // alpha-3 to alpha-2
}

var countryTable = sync.OnceValue(func() *countries { //nolint:gochecknoglobals // read only
	t := &countries{map[string]bool{}, map[string]string{}}
	codeLines("countries.txt", func(cells []string) {
		for pair := range strings.FieldsSeq(cells[0]) {
			alpha2, alpha3, _ := strings.Cut(pair, "=")
			t.codes[alpha2] = true
			t.alpha3[alpha3] = alpha2
		}
	})
	return t
})

// countryNames maps the squeezed names of countries to their codes. It is
// built for the first hint that needs it.
var countryNames = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // read only
	names := map[string]string{
		// Not in the CLDR, or not so: what people and older systems write.
		"uk": "GB", "england": "GB", "großbritannien": "GB", "great britain": "GB", "el": "GR", "usa": "US", "holland": "NL",
	}
	for code := range countryTable().codes {
		region, err := language.ParseRegion(code)
		if err != nil {
			continue
		}
		for _, in := range hintLanguages {
			names[squeeze(display.Regions(in).Name(region))] = code
		}
	}
	return names
})

func (t *countries) near(text string) string {
	upper := strings.ToUpper(strings.TrimSpace(text))
	switch {
	case t.codes[upper]:
		return upper
	case t.alpha3[upper] != "":
		return t.alpha3[upper]
	}
	return countryNames()[squeeze(text)]
}

// languageNames maps the squeezed names of languages, in those languages, to
// their tags; with them the one-letter keys by which SAP stores texts (SPRAS).
var languageNames = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // read only
	names := map[string]string{
		"d": "de", "e": "en", "f": "fr", "i": "it", "s": "es", "n": "nl", "p": "pt", "l": "pl", "c": "cs", "h": "hu", "k": "da", "v": "sv",
	}
	for _, tag := range display.Supported.Tags() {
		if base, _ := tag.Base(); base.String() != tag.String() {
			continue
		}
		for _, in := range append(hintLanguages, tag) {
			if name := display.Languages(in).Name(tag); name != "" {
				names[squeeze(name)] = tag.String()
			}
		}
	}
	return names
})

func nearLanguage(text string) string {
	if tag := languageNames()[squeeze(text)]; tag != "" {
		return tag
	}
	tag, err := language.Parse(strings.TrimSpace(text))
	if err != nil || tag == language.Und || !KnownCode(Languages, tag.String()) {
		return ""
	}
	return tag.String()
}
