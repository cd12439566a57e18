package suggest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"crossdock/schemas"
)

// attributesFile names properties that products of many trades have, with the
// headers under which they are sent: an open field can take them. What is not
// among them is not offered to buyers without a person's decision.
//
//go:embed attributes.json
var attributesFile []byte

// A matcher knows a table and compares it with entities.
type matcher struct {
	table    *Table
	profiles []*profile
	readings [][]reading
	members  []synonym // of open fields
	comma    bool      // most of the table's numbers have a comma as their decimal sign
	point    bool      // most have a point; neither is set where none tells
}

// A synonym is a header that a field, or a member of an open field, goes by.
type synonym struct {
	name
	field  int    // of the entity
	member string // of an open field
	of     string // the language or system, or "field name"
	text   string
}

func newMatcher(t *Table) *matcher {
	m := &matcher{table: t}
	points, commas, small := 0, 0, smallWords()
	for _, c := range t.Columns {
		p := newProfile(c, small)
		m.profiles = append(m.profiles, p)
		m.readings = append(m.readings, read(c.Header))
		if p.numbers.points > 0 {
			points++
		}
		if p.numbers.commas > 0 {
			commas++
		}
	}
	m.comma, m.point = commas > points, points > commas
	var members map[string][]string
	if err := json.Unmarshal(attributesFile, &members); err != nil {
		panic(err) // the file is part of the binary
	}
	for _, member := range slices.Sorted(maps.Keys(members)) {
		for _, text := range members[member] {
			m.members = append(m.members, synonym{name: newName(words(text)), member: member, of: "attribute", text: text})
		}
	}
	return m
}

// A plan is what a table gives to one entity.
type plan struct {
	entity  *schemas.Entity
	columns int // that are not empty
	pairs   []pair
	second  map[int]pair // by column: the best field that it has not got
}

// A pair is a column and the field that it fills.
type pair struct {
	slot
	hit
	column int
}

// A slot takes one column: a field, one language of it, or one member.
type slot struct {
	field  int
	sub    string // a language that headers name, or a member
	member bool
}

// A hit says how well a column fills a slot.
type hit struct {
	score     float64
	reason    string
	languages []string // of the synonyms that its header equals
	reading   reading
}

// plan gives the columns of the table to the fields of an entity.
func (m *matcher) plan(e *schemas.Entity) *plan {
	x := newIndex(e, m.members)
	p := &plan{entity: e, second: map[int]pair{}}
	slots := map[slot]int{}
	var order []slot
	hits := make([]map[slot]hit, len(m.table.Columns))
	for c := range m.table.Columns {
		if m.profiles[c].filled > 0 || m.profiles[c].rows == 0 {
			p.columns++
		}
		hits[c] = m.hits(x, c)
		for s := range hits[c] {
			slots[s] = 0
		}
	}
	for s := range slots {
		order = append(order, s)
	}
	slices.SortFunc(order, compareSlots)
	scores := make([][]float64, len(order))
	for i, s := range order {
		scores[i] = make([]float64, len(hits))
		for c := range hits {
			if h, ok := hits[c][s]; ok && h.score >= Likely {
				scores[i][c] = h.score
			}
		}
	}
	taken := map[int]bool{}
	for i, c := range assign(scores) {
		if c >= 0 {
			p.pairs = append(p.pairs, pair{order[i], hits[c][order[i]], c})
			taken[c] = true
		}
	}
	for c := range hits {
		for _, s := range order {
			if h, ok := hits[c][s]; ok && !taken[c] && h.score > p.second[c].score {
				p.second[c] = pair{s, h, c}
			}
		}
	}
	return p
}

func compareSlots(a, b slot) int {
	if a.field != b.field {
		return a.field - b.field
	}
	return strings.Compare(a.sub, b.sub)
}

// fitness says from 0 to 1 how well the table fits the entity: the required
// fields that it fills count as much as the columns that find a place.
func (p *plan) fitness() float64 {
	filled := map[int]bool{}
	places := 0.0
	for _, one := range p.pairs {
		filled[one.field] = true
		if !one.member {
			places += one.score
		}
	}
	required, have := 0.0, 0.0
	for i, f := range p.entity.Fields {
		w := 0.0
		switch {
		case f.Key && f.Required:
			w = 1.5 // an update needs no more than the key
		case f.Required:
			w = 1
		}
		required += w
		if filled[i] {
			have += w
		}
	}
	if required == 0 || p.columns == 0 {
		return 0
	}
	return have/required*0.5 + places/float64(p.columns)*0.5
}

// hits returns how well one column fills each slot of an entity.
func (m *matcher) hits(x *index, c int) map[slot]hit {
	found := map[slot]hit{}
	p := m.profiles[c]
	if p.rows > 0 && p.filled == 0 {
		return found // an empty column would clear what the target holds
	}
	named := x.named(m.readings[c])
	for i := range x.entity.Fields {
		f := &x.entity.Fields[i]
		if f.Open {
			continue
		}
		h := named[slot{field: i}]
		if isKeyWord(m.readings[c]) && f.Key && len(x.entity.Key()) == 1 && h.score < 0.8 {
			h = hit{score: 0.8, reason: "a number by its name"}
		}
		v := m.evidence(x, i, c)
		if v.against != "" {
			continue
		}
		h = combine(h, v)
		if h.score < 0.3 || f.Name == schemas.DeletedField && h.score < Sure {
			continue // a row that is deleted for a likeness of names is gone
		}
		s := slot{field: i}
		if f.Type == schemas.LocalisedText {
			s.sub = h.reading.language
		} else if h.reading.language != "" && f.Type == schemas.Text {
			h.score -= 0.05
		}
		found[s] = h
	}
	m.memberHits(c, named, found)
	return found
}

// isKeyWord reports whether a header says no more than that it numbers rows.
func isKeyWord(readings []reading) bool {
	for _, w := range readings[0].words {
		if weight(w) > 0.25 && w != "codice" && w != "codigo" {
			return false
		}
	}
	return len(readings[0].words) > 0
}

func (m *matcher) memberHits(c int, named, found map[slot]hit) {
	for s, h := range named {
		if !s.member || m.profiles[c].guids() > 0.5 {
			continue
		}
		const behindFields = 0.06 // a field of its own says more than a member
		h.score -= behindFields
		found[s] = h
	}
}

// combine joins what the header and the content say.
func combine(h hit, v verdict) hit {
	switch {
	case h.score == 0:
		return hit{score: v.alone, reason: v.reason}
	case v.support > 0:
		h.score += (1 - h.score) * v.support / 2
		if v.reason != "" {
			h.reason += ", " + v.reason
		}
	case v.support < 0:
		h.score *= 1 + v.support
	}
	if v.alone > h.score {
		h.score = v.alone
	}
	h.score = min(h.score, 0.99)
	return h
}

// An index finds the fields of an entity by what they are called.
type index struct {
	entity *schemas.Entity
	list   []synonym
	exact  map[string][]int
	byWord map[string][]int
	rules  map[string]string // the rule of the entity that says what a field holds
}

func newIndex(e *schemas.Entity, members []synonym) *index {
	x := &index{entity: e, exact: map[string][]int{}, byWord: map[string][]int{}, rules: rulesOf(e)}
	for i := range e.Fields {
		f := &e.Fields[i]
		x.add(synonym{name: newName(words(f.Name)), field: i, of: "field name", text: f.Name})
		for _, of := range slices.Sorted(maps.Keys(f.Synonyms)) {
			for _, text := range f.Synonyms[of] {
				n := newName(words(text))
				x.add(synonym{name: n, field: i, of: of, text: text})
			}
		}
		if f.Open {
			for _, s := range members {
				s.field = i
				x.add(s)
			}
		}
	}
	return x
}

// rulesOf returns the rule by which the entity says what a field holds, by the
// name of the field.
func rulesOf(e *schemas.Entity) map[string]string {
	rules := map[string]string{}
	for _, rule := range e.Rules {
		for _, kind := range []string{"gtin", "unit", "currency", "country", "url"} {
			if field, ok := rule[kind].(string); ok {
				rules[field] = kind
			}
		}
		if order, ok := rule["date_order"].([]any); ok && len(order) == 2 {
			rules[fmt.Sprint(order[1])] = "end"
		}
	}
	return rules
}

func (x *index) add(s synonym) {
	if s.squeezed == "" {
		return
	}
	at := len(x.list)
	x.list = append(x.list, s)
	x.exact[s.squeezed] = append(x.exact[s.squeezed], at)
	for _, w := range s.words {
		if list := x.byWord[w]; len(list) == 0 || list[len(list)-1] != at {
			x.byWord[w] = append(list, at)
		}
	}
}

// named returns how well each slot is called by one of the readings of a header.
func (x *index) named(readings []reading) map[slot]hit {
	found := map[slot]hit{}
	better := func(s synonym, score float64, reason string, r reading) {
		at := slot{field: s.field, sub: s.member, member: s.member != ""}
		h := found[at]
		if score > h.score {
			h = hit{score: score, reason: reason, reading: r, languages: h.languages}
		}
		if len(s.of) == 2 && score >= Sure {
			h.languages = append(h.languages, s.of)
		}
		found[at] = h
	}
	const step = 0.01 // every word left out makes it a little less sure
	for k, r := range readings {
		if r.squeezed == "" {
			continue
		}
		less := step * float64(k)
		for _, i := range x.exact[r.squeezed] {
			s := x.list[i]
			switch {
			case s.of == "field name":
				better(s, 0.97-less, s.of, r)
			case len(s.of) == 2:
				better(s, 0.96-less, "synonym "+s.of, r)
			default:
				better(s, 0.95-less, "synonym "+s.of, r)
			}
		}
		x.fuzzy(r, less, better)
	}
	return found
}

// fuzzy finds the synonyms that have most words with a header in common, or
// differ from it by a typing error.
func (x *index) fuzzy(r reading, less float64, better func(synonym, float64, string, reading)) {
	seen := map[int]bool{}
	for _, w := range r.words {
		for _, i := range x.byWord[w] {
			s := x.list[i]
			if seen[i] || s.squeezed == r.squeezed {
				continue
			}
			seen[i] = true
			const least = 0.6
			if alike := s.alike(r.name); alike >= least {
				better(s, 0.60+(alike-least)*0.8-less, fmt.Sprintf("like %q", s.text), r)
			}
		}
	}
	if len(x.exact[r.squeezed]) > 0 {
		return
	}
	for i, s := range x.list {
		if !seen[i] && s.misspelt(r.name) {
			better(s, 0.88-less, fmt.Sprintf("like %q", s.text), r)
		}
	}
}
