// Package suggest proposes a pipeline for a table that nobody has described:
// which entity its rows are, which column fills which field, and how numbers,
// dates and codes are written in it. It is pure: whoever calls it has read a
// sample of the rows.
//
//	Table ──profile──> what each column holds ─┐
//	entities ──index──> what fields are called ─┴─ candidates ──assign──> Proposal ──YAML──> a pipeline
//
// A column fills a field because of its header, because of its content, or
// both; content that contradicts a field forbids it, whatever the header says.
// All columns are given to fields at once, so that the sum of confidence is
// the largest possible. Begin with [Propose].
package suggest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A Table is what is known of a source.
type Table struct {
	Name    string    // of the file, for people
	Source  []Setting // as the pipeline will name it: connector, path, ...
	Columns []Column
	Rows    int // in the sample
}

// A Setting is one line of the source of a pipeline.
type Setting struct {
	Name  string
	Value any // as a pipeline has it: text, or a list of texts
}

// A Column is a header and the cells of the sample below it.
type Column struct {
	Header string
	Cells  []string          // one for each row; "" is empty
	Kinds  []connectors.Kind // one for each row; nil: all text
}

// The bounds of confidence: from Sure on a match needs no second look, below
// Likely none is made.
const (
	Sure   = 0.90
	Likely = 0.60
)

// A Proposal is a pipeline, with the reason for each of its lines.
type Proposal struct {
	Pipeline   string   `json:"pipeline"`
	Entity     string   `json:"entity"`
	Confidence float64  `json:"confidence"` // that the rows are of the entity; 1 where the caller said so
	Others     []Guess  `json:"others"`     // the entities that came next
	Matches    []Match  `json:"matches"`    // in the order of the map
	Unmatched  []Spare  `json:"unmatched"`  // columns that fill nothing, in the order of the source
	Missing    []string `json:"missing"`    // required fields that no column fills
	YAML       string   `json:"yaml"`

	entity *schemas.Entity
	table  *Table
}

// Columns returns how many columns the table has.
func (p *Proposal) Columns() int { return len(p.table.Columns) }

// File returns the name of the file that the proposal is for.
func (p *Proposal) File() string { return p.table.Name }

// A Guess is an entity that the rows may be of.
type Guess struct {
	Entity     string  `json:"entity"`
	Confidence float64 `json:"confidence"`
}

// A Match is one line of the map of a pipeline.
type Match struct {
	Target     string   `json:"target"`           // name.de
	Column     string   `json:"column,omitempty"` // the header; "" for a constant
	Form       string   `json:"form"`             // the right-hand side, in YAML
	Confidence float64  `json:"confidence"`
	Reason     string   `json:"reason"`          // synonym de; 98% valid check digits
	Notes      []string `json:"notes,omitempty"` // what is to be looked at

	order  int // place of the field in the entity
	column int // of the source, or -1
}

// A Spare is a column that fills no field.
type Spare struct {
	Column  string   `json:"column"`
	Samples []string `json:"samples"`
	Note    string   `json:"note,omitempty"` // what it could be, or why it is none
}

// ErrNoMatch tells that a table has nothing to do with an entity.
var ErrNoMatch = errors.New("no column can be matched")

// Propose proposes a pipeline for the table. The entity is guessed where name
// is "". Its error is ErrNoMatch, or says that there is no such entity.
func Propose(registry *schemas.Registry, t *Table, name string) (*Proposal, error) {
	m := newMatcher(t)
	entities := registry.Entities()
	if name != "" {
		e, err := registry.Entity(name)
		if err != nil {
			return nil, err
		}
		entities = []*schemas.Entity{e}
	}
	plans := make([]*plan, len(entities))
	for i, e := range entities {
		plans[i] = m.plan(e)
	}
	slices.SortStableFunc(plans, func(a, b *plan) int { return cmp.Compare(b.fitness(), a.fitness()) })
	best := plans[0]
	if len(best.pairs) == 0 {
		of := "any entity"
		if name != "" {
			of = name
		}
		return nil, fmt.Errorf("%s: %w to a field of %s; it has: %s", t.Name, ErrNoMatch, of, strings.Join(headers(t), ", "))
	}
	p := &Proposal{
		Entity: best.entity.Name, Confidence: 1, Others: []Guess{}, Matches: []Match{}, Unmatched: []Spare{}, Missing: []string{},
		entity: best.entity, table: t, Pipeline: pipelineName(t.Name, best.entity.Plural),
	}
	if name == "" {
		p.Confidence = round(best.fitness())
		for _, other := range plans[1:min(len(plans), 4)] {
			if len(other.pairs) > 0 {
				p.Others = append(p.Others, Guess{other.entity.Name, round(other.fitness())})
			}
		}
	}
	m.write(p, best)
	p.YAML = p.yaml()
	return p, nil
}

func headers(t *Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = schemas.QuoteShort(c.Header)
	}
	return names[:min(len(names), 20)]
}

func round(x float64) float64 { return float64(int(x*100+0.5)) / 100 }

// pipelineName makes a name of that of a file.
func pipelineName(file, fallback string) string {
	base, _, _ := strings.Cut(file[strings.LastIndexAny(file, `/\`)+1:], ".")
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(base)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case !unicode.Is(unicode.Mn, r) && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.TrimLeft(b.String(), "-")
	name = strings.Trim(name[:min(len(name), 100)], "-")
	return cmp.Or(name, strings.ReplaceAll(fallback, "_", "-"))
}
