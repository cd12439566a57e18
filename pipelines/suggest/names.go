package suggest

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"crossdock/schemas"
)

// words cuts a header into words as they are compared: without case, accents
// and punctuation, camelCase taken apart, abbreviations written out.
func words(header string) []string {
	var list []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			list = append(list, canonical(word.String()))
			word.Reset()
		}
	}
	before := rune(0)
	letters := []rune(norm.NFKD.String(header))
	for i, r := range letters {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case r == 'ß':
			word.WriteString("ss")
		case r == 'ø' || r == 'Ø':
			word.WriteByte('o')
		case r == 'æ' || r == 'Æ':
			word.WriteByte('a')
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		default:
			nextLower := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsUpper(before) && nextLower) {
				end()
			}
			word.WriteRune(unicode.ToLower(r))
		}
		before = r
	}
	end()
	return list
}

// canonical writes a word as it is compared: umlauts written as two letters
// are one, the end of a plural is left out, and what people shorten is written
// out.
func canonical(word string) string {
	if long := writtenOut(word); long != "" {
		return long
	}
	if len(word) <= 4 {
		return word
	}
	b := make([]byte, 0, len(word))
	for i := range len(word) {
		umlaut := i > 0 && word[i] == 'e' && (word[i-1] == 'a' || word[i-1] == 'o' || word[i-1] == 'u')
		if !umlaut {
			b = append(b, word[i])
		}
	}
	if n := len(b); b[n-1] == 's' && b[n-2] != 's' {
		b = b[:n-1]
	}
	return string(b)
}

// writtenOut returns the word for a usual abbreviation, or "".
func writtenOut(word string) string {
	switch word {
	case "no", "nr", "num", "nbr", "numero", "nummer", "numer":
		return "number"
	case "qty":
		return "quantity"
	case "qte":
		return "quantite"
	case "qta":
		return "quantita"
	case "cant":
		return "cantidad"
	case "min", "mini", "minimal", "minimale", "minima", "minimo":
		return "minimum"
	case "max", "maxi":
		return "maximum"
	case "desc", "descr":
		return "description"
	case "prod":
		return "product"
	case "cat":
		return "category"
	case "mfr", "mfg":
		return "manufacturer"
	case "art":
		return "artikel"
	case "bez":
		return "bezeichnung"
	case "wt", "wgt":
		return "weight"
	case "cur", "curr", "ccy":
		return "currency"
	case "uom", "um":
		return "unit"
	case "img":
		return "image"
	case "whse", "wh":
		return "warehouse"
	case "loc":
		return "location"
	case "ref":
		return "reference"
	case "cod":
		return "codigo"
	}
	return ""
}

// weight says how much a word tells about what a column holds. That the one
// header says number where the other says code tells little.
func weight(word string) float64 {
	switch word {
	case "number", "code", "id", "key", "de", "of", "du", "des", "the", "di", "del", "d", "l", "n", "la", "le", "van", "field", "value", "iso":
		return 0.25
	case "product", "article", "item", "artikel", "produkt", "produit", "producto", "prodotto", "articulo", "articolo", "variant":
		return 0.4
	case "minimum", "maximum", "net", "gross", "from", "to", "old", "new":
		return 1.5
	}
	return 1
}

// A name is a header or a synonym, ready to be compared.
type name struct {
	words    []string
	squeezed string
	weight   float64
}

func newName(list []string) name {
	n := name{words: list, squeezed: strings.Join(list, "")}
	for _, w := range list {
		n.weight += weight(w)
	}
	return n
}

// alike returns how alike two names are by their words, whatever their order:
// the weight of the words that both have, of all words that one of them has.
func (n name) alike(other name) float64 {
	both := 0.0
	for _, w := range n.words {
		if slices.Contains(other.words, w) {
			both += weight(w)
		}
	}
	return both / (n.weight + other.weight - both)
}

// misspelt reports whether two names differ as a typing error makes them differ.
func (n name) misspelt(other name) bool {
	long, short := max(len(n.squeezed), len(other.squeezed)), min(len(n.squeezed), len(other.squeezed))
	if long < 7 || long > short+2 || n.squeezed[0] != other.squeezed[0] {
		return false
	}
	return distance(n.squeezed, other.squeezed) <= 1+long/14
}

// distance counts the letters in which two words of nearly the same length
// differ behind what they have in common at both ends.
func distance(a, b string) int {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0] {
		return 1 // two neighbours have changed places
	}
	return max(len(a), len(b))
}

// A reading is one way to read a header: some of its words may be the
// language, the unit or the currency of what stands below.
type reading struct {
	name
	language, unit, currency string
}

// read returns the ways to read a header, the plainest first.
func read(header string) []reading {
	plain, notes := brackets(header)
	list := []reading{{name: newName(words(header))}}
	r := reading{name: newName(words(plain))}
	for _, note := range notes {
		r.annotate(note)
	}
	if len(notes) > 0 && len(r.words) > 0 {
		list = append(list, r)
	}
	parts := strings.FieldsFunc(plain, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("_.,/:", c) })
	for len(parts) > 1 {
		taken := r.annotateEnd(parts)
		if taken == 0 {
			break
		}
		parts = parts[:len(parts)-taken]
		if len(parts) > 1 && preposition(parts[len(parts)-1]) {
			parts = parts[:len(parts)-1] // Preis in EUR
		}
		r.name = newName(words(strings.Join(parts, " ")))
		list = append(list, r)
	}
	return list
}

// annotateEnd notes what the last words say beside the name, and returns how
// many they are.
func (r *reading) annotateEnd(parts []string) int {
	last := len(parts) - 1
	if last > 1 && len(parts[last]) == 2 {
		if tag := languageOf(parts[last-1] + "-" + parts[last]); tag != "" { // name_fr_FR
			r.language = tag
			return 2
		}
	}
	if r.annotate(parts[last]) {
		return 1
	}
	return 0
}

func preposition(word string) bool {
	return slices.Contains([]string{"in", "en", "per", "je", "pro", "par", "por", "of"}, strings.ToLower(word))
}

// brackets takes apart what stands in brackets: "Preis (EUR)", "name[fr-FR]".
func brackets(header string) (plain string, notes []string) {
	for {
		open := strings.IndexAny(header, "([{")
		if open < 0 {
			return plain + header, notes
		}
		length := strings.IndexAny(header[open:], ")]}")
		if length < 0 {
			return plain + header, notes
		}
		notes = append(notes, strings.TrimSpace(header[open+1:open+length]))
		plain += header[:open] + " "
		header = header[open+length+1:]
	}
}

// annotate notes what a word beside the name says, and reports whether it says
// anything.
func (r *reading) annotate(word string) bool {
	switch tag, unit, currency := languageOf(word), unitOf(word), currencyOf(word); {
	case currency != "":
		r.currency = currency
	case unit != "":
		r.unit = unit
	case tag != "":
		r.language = tag
	default:
		return false
	}
	return true
}

// languageOf returns the tag of a language as headers name it. Codes that are
// words of headers as well, such as no and id, are none here.
func languageOf(word string) string {
	base, region, _ := strings.Cut(strings.ReplaceAll(word, "_", "-"), "-")
	const codes = " en de fr es it nl pt pl cs sk hu da sv fi nb ro bg el tr ru uk zh ja ko ar he th "
	switch {
	case len(base) == 2 && strings.Contains(codes, " "+strings.ToLower(base)+" "):
		tag := strings.ToLower(base)
		if region == "" {
			return tag
		}
		tag += "-" + strings.ToUpper(region)
		if len(region) == 2 && schemas.KnownCode(schemas.Languages, tag) {
			return tag
		}
	case len(base) > 4 && region == "":
		if tag := schemas.NearCode(schemas.Languages, word); len(tag) == 2 && strings.Contains(codes, " "+tag+" ") {
			return tag
		}
	}
	return ""
}

func currencyOf(word string) string {
	if len(word) == 3 && word == strings.ToUpper(word) && schemas.KnownCode(schemas.Currencies, word) {
		return word
	}
	return map[string]string{"€": "EUR", "$": "USD", "£": "GBP", "US$": "USD", "CHF": "CHF"}[word]
}

func unitOf(word string) string {
	switch w := strings.ToLower(word); w {
	case "kg", "g", "mg", "t", "lb", "lbs", "oz", "mm", "cm", "m", "km", "in", "inch", "ft", "l", "ml", "cl", "m2", "m3", "m²", "m³", "gr":
		code, _ := schemas.UnitCode(strings.TrimSuffix(strings.Replace(w, "gr", "g", 1), "ch"))
		return code
	}
	return ""
}
