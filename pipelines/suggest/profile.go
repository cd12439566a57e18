package suggest

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"crossdock/connectors"
	"crossdock/pipelines/quality"
	"crossdock/schemas"
)

// maxTested bounds the distinct values of a column that are looked at one by
// one: more of them would say the same.
const maxTested = 300

// A value is one of the distinct values of a column.
type value struct {
	text  string
	count int
	kind  connectors.Kind
}

// A profile is what a column holds.
type profile struct {
	rows, filled, distinct int
	values                 []value // most frequent first; at most maxTested
	tested                 int     // cells that values stand for

	numbers  *numbers
	dates    *dates
	shares   map[string]float64 // of the tests asked for so far
	ordered  bool               // whole numbers that rise, as a database counts rows
	letters  float64            // share of values with a letter
	perText  float64            // words in a value, on average
	longest  int
	language string // in which its texts are, or ""
}

func newProfile(c Column, small map[string]string) *profile {
	p := &profile{rows: len(c.Cells), shares: map[string]float64{}}
	at := make(map[string]int, min(len(c.Cells), 1024))
	var all []value
	for row, cell := range c.Cells {
		text := strings.TrimSpace(cell)
		if text == "" {
			continue
		}
		p.filled++
		i, seen := at[text]
		if !seen {
			i = len(all)
			at[text] = i
			v := value{text: text}
			if c.Kinds != nil {
				v.kind = c.Kinds[row]
			}
			all = append(all, v)
		}
		all[i].count++
	}
	p.distinct = len(all)
	p.ordered = rising(all)
	slices.SortStableFunc(all, func(a, b value) int { return cmp.Compare(b.count, a.count) })
	p.values = all[:min(len(all), maxTested)]
	total, spaced := 0, 0
	for _, v := range p.values {
		p.tested += v.count
		total++
		spaced += len(strings.Fields(v.text))
		p.longest = max(p.longest, len(v.text))
	}
	if total > 0 {
		p.perText = float64(spaced) / float64(total)
	}
	p.letters = p.share("letter", func(text string) bool { return strings.ContainsFunc(text, unicode.IsLetter) })
	p.numbers = findNumbers(p)
	p.dates = findDates(p)
	p.language = languageOfTexts(p, small)
	return p
}

// rising reports whether all values are whole numbers, each larger than the
// one before.
func rising(values []value) bool {
	before := int64(-1)
	for _, v := range values {
		d, err := schemas.ParseDecimal(v.text)
		if err != nil || !d.IsInteger() || int64(d) <= before || v.count > 1 {
			return false
		}
		before = int64(d)
	}
	return len(values) > 1
}

// share returns the share of the cells whose text passes a test; 0 where there
// are none.
func (p *profile) share(test string, passes func(text string) bool) float64 {
	if s, known := p.shares[test]; known {
		return s
	}
	n := 0
	const trial = 20
	for i, v := range p.values {
		if i == trial && n == 0 {
			break // most of the columns hold nothing of what is asked for
		}
		if passes(v.text) {
			n += v.count
		}
	}
	s := 0.0
	if p.tested > 0 {
		s = float64(n) / float64(p.tested)
	}
	p.shares[test] = s
	return s
}

// unique returns the share of cells that no other cell equals.
func (p *profile) unique() float64 {
	if p.filled == 0 {
		return 0
	}
	return float64(p.distinct) / float64(p.filled)
}

func (p *profile) gtins() float64 {
	return p.share("gtin", func(text string) bool {
		return len(text) <= 14 && strings.Trim(text, "0123456789") == "" && quality.IsGTIN(text)
	})
}

func (p *profile) urls() float64 {
	return p.share("url", func(text string) bool {
		return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
	})
}

func (p *profile) codes(list schemas.CodeList) float64 {
	return p.share(string(list), func(text string) bool {
		if list == schemas.Units {
			_, ok := schemas.UnitCode(text)
			return ok
		}
		return schemas.KnownCode(list, text) || schemas.NearCode(list, text) != ""
	})
}

// guids returns the share of values that a database made up: they mean
// nothing to people.
func (p *profile) guids() float64 {
	return p.share("guid", func(text string) bool {
		text = strings.Trim(text, "{}")
		return len(text) == 36 && strings.Count(text, "-") == 4 && text[8] == '-' && text[23] == '-'
	})
}

// truths returns the words for yes and no, and whether the column holds no
// others.
func (p *profile) truths() (yes, no []string, ok bool) {
	if p.distinct == 0 || p.distinct > 4 {
		return nil, nil, false
	}
	for _, v := range p.values {
		is, known := truthOf(v.text)
		switch {
		case !known:
			return nil, nil, false
		case is:
			yes = append(yes, v.text)
		default:
			no = append(no, v.text)
		}
	}
	return yes, no, true
}

// truthOf returns whether a word says yes, and whether it says yes or no at all.
func truthOf(word string) (yes, known bool) {
	switch strings.ToLower(word) {
	case "true", "yes", "1", "y", "t", "ja", "j", "oui", "o", "si", "sí", "s", "x", "vrai", "wahr", "vero", "verdadero", "waar", "on":
		return true, true
	case "false", "no", "0", "n", "f", "nein", "non", "nee", "faux", "falsch", "falso", "onwaar", "off", "-":
		return false, true
	}
	return false, false
}

// samples returns the most frequent values, to be shown.
func (p *profile) samples() []string {
	list := []string{}
	for _, v := range p.values[:min(len(p.values), 3)] {
		list = append(list, shorten(v.text))
	}
	return list
}

// shorten makes one short line of a value.
func shorten(text string) string {
	const most = 40
	text = strings.Join(strings.Fields(text), " ")
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// languageOfTexts tells in which language texts are by the [smallWords] in
// them and by their script; "" where too little speaks for one.
func languageOfTexts(p *profile, small map[string]string) string {
	votes := map[string]int{}
	for _, v := range p.values[:min(len(p.values), 100)] {
		if tag := scriptOf(v.text); tag != "" {
			votes[tag] += 2
			continue
		}
		for word := range strings.FieldsSeq(strings.ToLower(v.text)) {
			if tag := small[strings.Trim(word, ".,;:()")]; tag != "" {
				votes[tag]++
			}
		}
	}
	best, second := "", 0
	for _, tag := range []string{"en", "de", "fr", "es", "it", "nl", "ar", "he", "th", "zh", "ja", "ru", "el"} {
		switch n := votes[tag]; {
		case n > votes[best]:
			best, second = tag, votes[best]
		case n > second:
			second = n
		}
	}
	const least = 4
	if votes[best] < least || votes[best] < 2*second {
		return ""
	}
	return best
}

func scriptOf(text string) string {
	for _, r := range text {
		switch {
		case unicode.Is(unicode.Arabic, r):
			return "ar"
		case unicode.Is(unicode.Hebrew, r):
			return "he"
		case unicode.Is(unicode.Thai, r):
			return "th"
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			return "ja"
		case unicode.Is(unicode.Han, r):
			return "zh"
		case unicode.Is(unicode.Cyrillic, r):
			return "ru"
		case unicode.Is(unicode.Greek, r) && r != 'µ' && r != 'Ω' && r != 'μ':
			return "el"
		}
	}
	return ""
}

// smallWords returns words that stand in texts of one of six languages alone.
func smallWords() map[string]string {
	small := map[string]string{}
	for tag, list := range map[string]string{
		"en": "the and of for with from to is by stainless steel black white set screw",
		"de": "der die das und mit für aus zum zur ohne nach von nicht bei schwarz weiß edelstahl schraube",
		"fr": "le les des et pour avec sans du sur une aux noir blanc acier inox vis",
		"es": "el los las y para con sin una del negro blanco acero inoxidable tornillo",
		"it": "il gli di con per senza della nero bianco acciaio vite una",
		"nl": "het een met voor zonder van zwart wit roestvrij staal schroef en",
	} {
		for word := range strings.FieldsSeq(list) {
			if _, twice := small[word]; twice {
				small[word] = ""
				continue
			}
			small[word] = tag
		}
	}
	return small
}
