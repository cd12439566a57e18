package suggest

import (
	"fmt"
	"slices"
	"strings"

	"crossdock/schemas"
)

// A verdict is what the content of a column says about a field.
type verdict struct {
	support float64 // from -1 to 1
	alone   float64 // the confidence that content gives without the header
	reason  string  // of the support
	against string  // why the column cannot fill the field, or ""
}

// most is the share of cells that must fit a field: real columns have some
// that do not, which rules will reject one by one.
const most = 0.7

// evidence compares the content of a column with a field.
func (m *matcher) evidence(x *index, field, c int) verdict {
	f, p := &x.entity.Fields[field], m.profiles[c]
	if f.Name == schemas.DeletedField && p.rows > 0 {
		if _, _, ok := p.truths(); !ok {
			return verdict{against: "holds more than yes and no"}
		}
	}
	if p.filled == 0 {
		return verdict{}
	}
	if p.guids() > most && !f.Key {
		return verdict{against: "holds identifiers that a database made up"}
	}
	if rule := x.rules[f.Name]; rule != "" && rule != "end" {
		return ruled(rule, p)
	}
	switch f.Type {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity:
		return m.numeric(f, c)
	case schemas.Date, schemas.Timestamp:
		return dated(p)
	case schemas.Boolean:
		if _, _, ok := p.truths(); !ok {
			return verdict{against: "holds more than yes and no"}
		}
	case schemas.Enum:
		return enumerated(f, p, negated(m.readings[c]))
	case schemas.Identifier, schemas.Reference:
		return m.identifying(x.entity, f, c)
	case schemas.Text, schemas.LocalisedText:
		return textual(f, p)
	case schemas.List, schemas.JSON:
	}
	return verdict{}
}

// ruled judges a column by the rule that its field has to keep.
func ruled(rule string, p *profile) verdict {
	test := func(share float64, what string, alone float64) verdict {
		v := verdict{support: 2*share - 1, reason: fmt.Sprintf("%d%% %s", int(share*100+0.5), what)}
		switch {
		case share < most:
			return verdict{against: fmt.Sprintf("only %d%% are %s", int(share*100+0.5), what)}
		case share >= 0.9 && p.filled >= 3:
			v.alone = alone
		}
		return v
	}
	switch rule {
	case "gtin":
		// What is written as a GTIN and has a wrong check digit is found by the rule.
		shaped := p.share("digits", func(text string) bool {
			n := len(text)
			return (n == 8 || n == 12 || n == 13 || n == 14) && strings.Trim(text, "0123456789") == ""
		})
		if shaped < most || p.gtins() < most {
			return verdict{against: "has no check digits of GTINs"}
		}
		return test(p.gtins(), "valid check digits", 0.92)
	case "currency":
		return test(p.codes(schemas.Currencies), "currencies", 0.80)
	case "country":
		return test(p.codes(schemas.Countries), "countries", Likely)
	case "unit":
		return test(p.codes(schemas.Units), "units", 0.55)
	case "url":
		return test(p.urls(), "web addresses", 0.80)
	}
	return verdict{}
}

func (m *matcher) numeric(f *schemas.Field, c int) verdict {
	p := m.profiles[c]
	switch {
	case p.numbers.share < most:
		return verdict{against: "does not hold numbers"}
	case f.Type == schemas.Integer && p.numbers.fraction > 1-most:
		return verdict{against: "holds numbers with digits behind the point"}
	case p.gtins() > most && p.longest > 8:
		return verdict{against: "holds GTINs"}
	case p.dates.share > most && p.longest > 6:
		return verdict{against: "holds dates"}
	}
	if f.Type == schemas.Money {
		for _, r := range m.readings[c] {
			for _, w := range r.words {
				// Prices are net of tax; a gross one would be charged twice.
				if slices.Contains([]string{"incl", "inkl", "inclusive", "ttc", "brutto", "bruttopreis", "gross", "ivato", "inc", "incluido", "inclusief"}, w) {
					return verdict{against: "holds amounts with tax"}
				}
			}
		}
		if p.numbers.fraction > most {
			return verdict{support: 0.3}
		}
	}
	return verdict{support: 0.1}
}

func dated(p *profile) verdict {
	if p.dates.share < most {
		return verdict{against: "does not hold dates"}
	}
	return verdict{support: 0.3, reason: "dates"}
}

func enumerated(f *schemas.Field, p *profile, negated bool) verdict {
	if p.distinct > max(12, 3*len(f.Values)) {
		return verdict{against: fmt.Sprintf("holds %d different values, and %s has %d", p.distinct, f.Name, len(f.Values))}
	}
	known, long := 0, false
	for _, v := range p.values {
		if meaning(f, v.text, negated) != "" {
			known++
			long = long || len(v.text) > 3
		}
	}
	share := float64(known) / float64(len(p.values))
	v := verdict{support: share - 0.3}
	// What is yes and no in the one column is no and yes in another.
	if _, _, truths := p.truths(); share == 1 && long && len(p.values) > 1 && !truths {
		v.alone = 0.75
	}
	if share > 0 {
		v.reason = fmt.Sprintf("%d of %d values known", known, len(p.values))
	}
	return v
}

// negated reports whether a header says that yes means inactive.
func negated(readings []reading) bool {
	return slices.ContainsFunc(readings[0].words, func(w string) bool {
		switch w {
		case "inactive", "inaktiv", "blocked", "locked", "disabled", "gesperrt", "sperrkennzeichen", "inactif", "bloque", "inactivo", "bloqueado",
			"inattivo", "bloccato", "inactief", "geblokkeerd":
			return true
		}
		return false
	})
}

// meaning returns the value of an enum that a text means, or "". Where the
// header negates, yes means no: a mark under Sperrkennzeichen is no active row.
func meaning(f *schemas.Field, text string, negated bool) string {
	if yes, truth := truthOf(text); negated && truth {
		text = "no"
		if !yes {
			text = "yes"
		}
	}
	squeezed := newName(words(text)).squeezed
	for _, v := range f.Values {
		if newName(words(v)).squeezed == squeezed {
			return v
		}
		for _, other := range f.ValueSynonyms[v] {
			if newName(words(other)).squeezed == squeezed {
				return v
			}
		}
	}
	return ""
}

func (m *matcher) identifying(e *schemas.Entity, f *schemas.Field, c int) verdict {
	const longest, perText = 120, 6
	p := m.profiles[c]
	switch {
	case p.longest > longest || p.perText > perText:
		return verdict{against: "holds texts"}
	case p.urls() > most:
		return verdict{against: "holds web addresses"}
	case p.numbers.share > most && p.numbers.fraction > 1-most:
		return verdict{against: "holds numbers with digits behind the point"}
	case p.dates.share > most && p.dates.pattern != "" || p.dates.times:
		return verdict{against: "holds dates"}
	}
	if f.Entity == e.Name && m.refersWithin(e, c) {
		return verdict{support: 0.5, alone: 0.7, reason: "keys of other rows"}
	}
	// A number that a database counts with is the key where nothing else is.
	running := verdict{}
	if p.ordered && f.Key {
		running.support = -0.02
	}
	if !f.Key || len(e.Key()) > 1 {
		return running
	}
	// The key of the entity by itself: every row has one of its own.
	const often = 0.8
	switch {
	case p.unique() < often:
		return verdict{support: -0.3}
	case p.ordered:
		return running
	case p.unique() == 1 && p.filled == p.rows && p.filled > 3:
		return verdict{support: 0.4, reason: "all different"}
	}
	return verdict{}
}

func textual(f *schemas.Field, p *profile) verdict {
	switch {
	case p.urls() > most:
		return verdict{against: "holds web addresses"}
	case p.numbers.share > most && p.letters < 1-most:
		return verdict{against: "holds numbers"}
	case p.dates.share > most:
		return verdict{against: "holds dates"}
	case p.gtins() > most:
		return verdict{against: "holds GTINs"}
	}
	if f.Type != schemas.LocalisedText {
		return verdict{}
	}
	const longText, sentence = 10_000, 8
	long := f.MaxChars > longText
	switch {
	case long && p.perText >= sentence && p.unique() > 0.3:
		return verdict{support: 0.3, alone: Likely, reason: "long texts"}
	case !long && f.Required && p.perText >= 2 && p.perText < sentence && p.unique() > most && p.letters > 0.9:
		return verdict{support: 0.2, alone: Likely, reason: "short texts"}
	}
	return verdict{}
}

// refersWithin reports whether a column is named for the entity and holds the
// keys of other rows: some values again and again, each of which stands in a
// column in which none stands twice.
func (m *matcher) refersWithin(e *schemas.Entity, c int) bool {
	p := m.profiles[c]
	named := slices.ContainsFunc(m.readings[c][0].words, func(w string) bool { return weight(w) >= 1 && w == canonical(e.Name) })
	if !named || p.unique() == 1 || p.distinct > len(p.values) {
		return false
	}
	for k, other := range m.profiles {
		if k == c || other.unique() < 1 || other.filled < other.rows {
			continue
		}
		all := !slices.ContainsFunc(p.values, func(v value) bool {
			return !slices.ContainsFunc(other.values, func(o value) bool { return o.text == v.text })
		})
		if all {
			return true
		}
	}
	return false
}
