package suggest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// write fills a proposal with the lines of a plan.
func (m *matcher) write(p *Proposal, best *plan) {
	languages, common := m.languages(best)
	for _, p := range m.profiles {
		// Where no column tells, people write as others do in their language.
		p.numbers.settle(m.comma || !m.point && common != "en")
	}
	taken := map[string]bool{}
	matched := map[int]bool{}
	notes := map[int]string{}
	companions, rules := m.companions(best), rulesOf(best.entity)
	for _, one := range best.pairs {
		f := &best.entity.Fields[one.field]
		target := f.Name
		switch {
		case f.Type == schemas.LocalisedText:
			target += "." + languages[one.column]
		case one.member:
			target += "." + one.sub
		}
		if taken[target] {
			notes[one.column] = "would be " + target + " a second time"
			continue
		}
		match := Match{
			Target: target, Column: m.table.Columns[one.column].Header, Confidence: round(one.score), Reason: one.reason,
			order: one.field, column: one.column,
		}
		unit, beside := companions[one.column]
		if !beside {
			unit = -1
		}
		if !m.form(&match, f, one, unit, rules) {
			notes[one.column] = "could be " + target + ": " + strings.Join(match.Notes, "; ")
			continue
		}
		if beside {
			matched[unit] = true
		}
		taken[target], matched[one.column] = true, true
		p.Matches = append(p.Matches, match)
	}
	m.constants(p, best)
	slices.SortStableFunc(p.Matches, func(a, b Match) int {
		return cmp.Or(a.order-b.order, strings.Compare(a.Target, b.Target))
	})
	missing(p)
	m.spare(p, best, matched, notes)
}

// languages returns, by column, the language of each localised text: that
// which its header names, else that in which the texts are, else the common
// one, which is that of most headers of the table.
func (m *matcher) languages(best *plan) (list map[int]string, common string) {
	votes := map[string]float64{}
	for _, one := range best.pairs {
		tags := slices.Compact(slices.Sorted(slices.Values(one.languages)))
		for _, tag := range tags {
			votes[tag] += 1 / float64(len(tags))
		}
	}
	common = "en"
	for _, tag := range []string{"en", "de", "fr", "es", "it", "nl"} {
		if votes[tag] > votes[common] {
			common = tag
		}
	}
	list = map[int]string{}
	for _, one := range best.pairs {
		tag := common
		if len(one.languages) > 0 && !slices.Contains(one.languages, common) {
			tag = one.languages[0]
		}
		if found := m.profiles[one.column].language; found != "" {
			tag = found
		}
		list[one.column] = cmp.Or(one.reading.language, tag)
	}
	return list, common
}

// companions returns the columns that hold the units of others, by the column
// of the quantity: Weight and WeightUnit.
func (m *matcher) companions(best *plan) map[int]int {
	taken := map[int]bool{}
	for _, one := range best.pairs {
		taken[one.column] = true
	}
	list := map[int]int{}
	for _, one := range best.pairs {
		f := &best.entity.Fields[one.field]
		if f.Type != schemas.Quantity || !schemas.KnownCode(schemas.Units, f.Unit) {
			continue
		}
		for c, readings := range m.readings {
			p := m.profiles[c]
			if taken[c] || p.filled == 0 || p.codes(schemas.Units) < most || !slices.Contains(readings[0].words, "unit") && !slices.Contains(readings[0].words, "einheit") {
				continue
			}
			shared := slices.ContainsFunc(one.reading.words, func(w string) bool { return slices.Contains(readings[0].words, w) })
			if shared && m.converts(c, f.Unit) {
				list[one.column] = c
			}
		}
	}
	return list
}

func (m *matcher) converts(column int, unit string) bool {
	for _, v := range m.profiles[column].values {
		code, ok := schemas.UnitCode(v.text)
		if !ok {
			continue
		}
		if _, err := schemas.ConvertUnit(1_000_000, code, unit); err != nil {
			return false
		}
	}
	return true
}

// form writes the right-hand side of a match, and reports false where there is none.
func (m *matcher) form(match *Match, f *schemas.Field, one pair, unit int, rules map[string]string) bool {
	p, header := m.profiles[one.column], match.Column
	s := settings{header: header}
	switch f.Type {
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity:
		if expr := m.converted(match, f, one, unit); expr != "" {
			match.Form = "{ expr: " + quoted(expr) + " }"
			return true
		}
		number(match, &s, p)
	case schemas.Date, schemas.Timestamp:
		date(match, &s, p)
		if rules[f.Name] == "end" && !p.dates.times {
			match.Notes = append(match.Notes, "where the file gives the last day that counts, this is the day behind it: addDays(date(…), 1)")
		}
	case schemas.Boolean:
		truth(&s, p)
	case schemas.Enum:
		if !enum(match, &s, f, p, negated(m.readings[one.column])) {
			return false
		}
	case schemas.List:
		list(&s, p)
	case schemas.Identifier, schemas.Reference, schemas.Text, schemas.LocalisedText, schemas.JSON:
		if one.member {
			member(match, &s, p)
			break
		}
		if expr := codes(match, &s, p, rules[f.Name]); expr != "" {
			match.Form = "{ expr: " + quoted(expr) + " }"
			return true
		}
	}
	match.Form = s.String()
	return true
}

// settings are what stands beside a header.
type settings struct {
	header string
	list   []string
}

func (s *settings) add(name, value string) { s.list = append(s.list, name+": "+value) }

func (s *settings) String() string {
	if len(s.list) == 0 {
		return text(s.header)
	}
	return "{ column: " + text(s.header) + ", " + strings.Join(s.list, ", ") + " }"
}

func number(match *Match, s *settings, p *profile) {
	if p.numbers.format != "" {
		s.add("decimal", quoted(p.numbers.format))
	}
	if p.numbers.doubtful {
		match.Notes = append(match.Notes, "1.234 may be read in two ways here: look at the numbers")
	}
}

// converted returns the expression for a quantity that is not in the unit of
// its field, or "".
func (m *matcher) converted(match *Match, f *schemas.Field, one pair, unitColumn int) string {
	if f.Type != schemas.Quantity || !schemas.KnownCode(schemas.Units, f.Unit) {
		return ""
	}
	v := variable(match.Column)
	number := "decimal(" + v + ")"
	if format := m.profiles[one.column].numbers.format; format != "" {
		number = "decimal(" + v + ", " + literal(format) + ")"
	}
	unit := one.reading.unit
	switch {
	case unitColumn >= 0:
		header := m.table.Columns[unitColumn].Header
		match.Reason += ", its unit in " + header
		return fmt.Sprintf("%s == \"\" ? nil : convert(%s, unit(%s), %s)", v, number, variable(header), literal(f.Unit))
	case unit == "" || unit == f.Unit:
		return ""
	}
	if _, err := schemas.ConvertUnit(1_000_000, unit, f.Unit); err != nil {
		match.Notes = append(match.Notes, "its header says "+unit+", the field is in "+f.Unit)
		return ""
	}
	match.Reason += ", in " + unit
	return fmt.Sprintf("%s == \"\" ? nil : convert(%s, %s, %s)", v, number, literal(unit), literal(f.Unit))
}

func date(match *Match, s *settings, p *profile) {
	if p.dates.pattern != "" {
		s.add("date", quoted(p.dates.pattern))
	}
	if p.dates.doubtful {
		match.Notes = append(match.Notes, "day and month may have changed places: no day in the sample is later than the 12th")
	}
	if p.dates.times && p.dates.pattern != "" {
		match.Notes = append(match.Notes, "its times are taken as UTC; say where their clock hangs, as in zone: Europe/Berlin")
	}
}

func truth(s *settings, p *profile) {
	yes, no, _ := p.truths()
	usual := func(words []string) bool {
		return !slices.ContainsFunc(words, func(w string) bool {
			return !slices.Contains([]string{"true", "yes", "1", "y", "t", "false", "no", "0", "n", "f"}, strings.ToLower(w))
		})
	}
	if len(yes) > 0 && !usual(yes) {
		s.add("true", flowList(yes))
	}
	if len(no) > 0 && !usual(no) {
		s.add("false", flowList(no))
	}
	if len(no) == 0 && p.filled < p.rows && len(yes) == 1 && strings.EqualFold(yes[0], "x") {
		s.add("default", "false") // a mark in some rows alone
	}
}

// enum writes the value table, as far as the values are understood.
func enum(match *Match, s *settings, f *schemas.Field, p *profile, negated bool) bool {
	var known, unknown []string
	same := true
	for _, v := range p.values {
		to := meaning(f, v.text, negated)
		if to == "" {
			unknown = append(unknown, shorten(v.text))
			continue
		}
		same = same && to == v.text
		known = append(known, text(v.text)+": "+to)
	}
	if len(unknown) > 0 {
		match.Notes = append(match.Notes, "no meaning is known for "+strings.Join(unknown, ", ")+
			": it is one of "+strings.Join(f.Values, ", "))
	}
	if len(known) == 0 && p.rows > 0 {
		return false
	}
	if !same || len(unknown) > 0 {
		s.add("values", "{ "+strings.Join(known, ", ")+" }")
	}
	return true
}

func list(s *settings, p *profile) {
	best, most := "|", 0
	for _, separator := range []string{"||", "|", ";", ","} {
		n := 0
		for _, v := range p.values {
			if strings.Contains(v.text, separator) && !strings.HasPrefix(v.text, "[") {
				n++
			}
		}
		if n > most {
			best, most = separator, n
		}
	}
	if best != "|" {
		s.add("split", quoted(best))
	}
}

// member writes numbers of members with a decimal point, as they stand beside
// those of other suppliers.
func member(match *Match, s *settings, p *profile) {
	if p.numbers.share > most && p.numbers.commas > 0 {
		match.Notes = append(match.Notes, "its numbers keep their comma, unless it is replaced: { expr: 'replace("+
			strings.ReplaceAll(variable(s.header), "'", "''")+", \",\", \".\")' }")
	}
}

// codes writes how codes of public lists are made of what stands in the cells.
func codes(match *Match, s *settings, p *profile, rule string) (expr string) {
	lists := map[string]schemas.CodeList{"unit": schemas.Units, "currency": schemas.Currencies, "country": schemas.Countries}
	list, ok := lists[rule]
	if !ok || p.filled == 0 {
		return ""
	}
	var table, unknown []string
	plain := true
	for _, v := range p.values {
		switch code := codeOf(list, v.text); {
		case code == v.text:
		case code != "":
			plain = false
			table = append(table, text(v.text)+": "+code)
		default:
			unknown = append(unknown, shorten(v.text))
		}
	}
	if len(unknown) > 0 {
		match.Notes = append(match.Notes, fmt.Sprintf("no %s code: %s", list, strings.Join(unknown[:min(len(unknown), 10)], ", ")))
	}
	switch {
	case plain:
	case list == schemas.Units && !slices.ContainsFunc(p.values, func(v value) bool { return v.kind != connectors.TextCell }):
		if len(unknown) > 0 {
			match.Notes[len(match.Notes)-1] += ": their rows will be rejected"
		}
		return "unit(" + variable(s.header) + ")"
	default:
		s.add("values", "{ "+strings.Join(table, ", ")+" }")
		s.add("otherwise", "keep")
	}
	return ""
}

func codeOf(list schemas.CodeList, text string) string {
	if list == schemas.Units {
		code, _ := schemas.UnitCode(text)
		return code
	}
	if schemas.KnownCode(list, text) {
		return text
	}
	return schemas.NearCode(list, text)
}

// constants adds what a header says of all rows: Preis (EUR).
func (m *matcher) constants(p *Proposal, best *plan) {
	for _, one := range best.pairs {
		f := &best.entity.Fields[one.field]
		currency := one.reading.currency
		if f.Type != schemas.Money || currency == "" {
			continue
		}
		has := slices.ContainsFunc(p.Matches, func(match Match) bool { return match.Target == f.Currency })
		if !has {
			p.Matches = append(p.Matches, Match{
				Target: f.Currency, Form: "{ constant: " + currency + " }", Confidence: 0.9,
				Reason: "header " + m.table.Columns[one.column].Header, order: fieldIndex(best.entity, f.Currency), column: -1,
			})
		}
	}
}

func fieldIndex(e *schemas.Entity, name string) int {
	return slices.IndexFunc(e.Fields, func(f schemas.Field) bool { return f.Name == name })
}

// missing lists the required fields that nothing fills.
func missing(p *Proposal) {
	for _, f := range p.entity.Fields {
		filled := slices.ContainsFunc(p.Matches, func(match Match) bool {
			base, _, _ := strings.Cut(match.Target, ".")
			return base == f.Name
		})
		if f.Required && !filled {
			p.Missing = append(p.Missing, f.Name)
		}
	}
}

// spare lists the columns that fill nothing.
func (m *matcher) spare(p *Proposal, best *plan, matched map[int]bool, notes map[int]string) {
	const faint = 0.45
	for c, column := range m.table.Columns {
		if matched[c] {
			continue
		}
		one := Spare{Column: column.Header, Samples: m.profiles[c].samples(), Note: notes[c]}
		second, ok := best.second[c]
		switch {
		case one.Note != "":
		case m.profiles[c].filled == 0 && m.profiles[c].rows > 0:
			one.Note = "empty in the sample"
		case ok && second.score >= faint:
			f := best.entity.Fields[second.field].Name
			if second.member {
				f += "." + second.sub
			}
			one.Note = "could be " + f + ", " + strconv.FormatFloat(second.score, 'f', 2, 64) + " " + second.reason
		}
		p.Unmatched = append(p.Unmatched, one)
	}
}
