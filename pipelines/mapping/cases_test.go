package mapping

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A mappingCase is one case of testdata, whose README says how to write one.
type mappingCase struct {
	Case    string         `yaml:"case"`
	Entity  string         `yaml:"entity"`
	Source  string         `yaml:"source"`
	Filter  string         `yaml:"filter"`
	Lookups []lookupCase   `yaml:"lookups"`
	Map     map[string]any `yaml:"map"`
	Want    string         `yaml:"want"`
	Found   []string       `yaml:"found"`
	Skipped []int32        `yaml:"skipped"`
	Errors  []string       `yaml:"errors"`
}

type lookupCase struct {
	Name       string   `yaml:"name"`
	Keys       []string `yaml:"keys"`
	Duplicates string   `yaml:"duplicates"`
	Source     string   `yaml:"source"`
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []mappingCase
		if err := yaml.UnmarshalWithOptions(text, &cases, yaml.Strict()); err != nil {
			t.Fatalf("%s: %s", file, yaml.FormatError(err, false, true))
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Case, c.run)
		}
	}
}

func (c mappingCase) run(t *testing.T) {
	t.Parallel()
	entity := entityOf(t, c.Entity)
	var names []string
	tables := map[string]*Table{}
	for _, l := range c.Lookups {
		names = append(names, l.Name)
		tables[l.Name] = NewTable(l.Name, l.Keys, l.Duplicates)
		if err := tables[l.Name].Add(parseTable(l.Source)); err != nil {
			c.compare(t, "", nil, nil, []string{err.Error()})
			return
		}
	}
	var assignments []Assignment
	for _, target := range slices.Sorted(maps.Keys(c.Map)) {
		assignments = append(assignments, Assignment{target, c.Map[target]})
	}
	m, errs := Compile(entity, c.Filter, assignments, names)
	batch := parseTable(c.Source)
	var p *Program
	if len(errs) == 0 {
		p, errs = m.Bind(headerOf(batch), tables)
	}
	if len(errs) > 0 {
		c.compare(t, "", nil, nil, strings.Split(errs.Error(), "\n"))
		return
	}
	rows, findings, skipped, err := p.Map(batch)
	if err != nil {
		c.compare(t, "", nil, nil, []string{err.Error()})
		return
	}
	holdInvariants(t, rows, findings, skipped)
	var found []string
	for _, f := range findings {
		line := fmt.Sprintf("row %d: %s %q %s (%s)", f.Row+1, f.Field, f.Value, f.Message, f.Rule)
		if f.Severity == schemas.Warn {
			line = strings.TrimSuffix(line, ")") + ", warn)"
		}
		found = append(found, line)
	}
	c.compare(t, renderTable(rows), found, skipped, nil)
}

// entityOf returns an entity of the registry, or one with a field of every type.
func entityOf(t testing.TB, name string) *schemas.Entity {
	if name != "everything" {
		e, err := schemas.Default().Entity(name)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := &schemas.Entity{Name: name, Plural: name, Service: "test", Doc: "Has a field of every type."}
	for _, typ := range []schemas.Type{
		schemas.Identifier, schemas.Text, schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity, schemas.Boolean,
		schemas.Date, schemas.Timestamp, schemas.Reference, schemas.LocalisedText, schemas.List, schemas.JSON,
	} {
		field, _, _ := strings.Cut(string(typ), " ")
		e.Fields = append(e.Fields, schemas.Field{Name: field, Type: typ, Key: typ == schemas.Identifier})
	}
	return e
}

func (c mappingCase) compare(t *testing.T, got string, found []string, skipped []int32, errs []string) {
	t.Helper()
	for i := range skipped {
		skipped[i]++ // people count from 1
	}
	if errs == nil {
		if diff := cmp.Diff(squeezeTable(c.Want), got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
	for _, pair := range [][2]any{{c.Found, found}, {c.Skipped, skipped}, {c.Errors, errs}} {
		if fmt.Sprint(pair[0]) != fmt.Sprint(pair[1]) {
			t.Errorf("(-want +got):\n%s", cmp.Diff(pair[0], pair[1]))
		}
	}
}

// holdInvariants checks what is true of every mapped batch.
func holdInvariants(t testing.TB, rows *schemas.Batch, findings []schemas.Rejection, skipped []int32) {
	t.Helper()
	out := map[int32]bool{}
	for _, row := range skipped {
		out[row] = true
	}
	for i, f := range findings {
		if f.Severity == schemas.Reject {
			out[int32(f.Row)] = true
		}
		if i > 0 && findings[i-1].Row > f.Row {
			t.Errorf("findings are not in the order of rows: %v", findings)
		}
	}
	if rows.Count()+len(out) != int(rows.Rows.NumRows()) || (rows.Selected == nil) != (len(out) == 0) {
		t.Errorf("%d rows, %d selected, %d skipped or rejected", rows.Rows.NumRows(), rows.Count(), len(out))
	}
	rows.Each(func(row int) bool {
		if out[int32(row)] {
			t.Errorf("row %d is selected and should not be", row)
		}
		return true
	})
	if want := schemas.ArrowSchema(rows.Columns); !rows.Rows.Schema().Equal(want) {
		t.Errorf("schema is %s, want %s", rows.Rows.Schema(), want)
	}
	for i, c := range rows.Columns {
		if got := rows.Rows.Column(i).DataType(); got.ID() != c.Field.ArrowType().ID() {
			t.Errorf("%s is an array of %s", c.Name, got)
		}
		for row, absent := range rows.Absent[i] {
			if absent && !rows.Rows.Column(i).IsNull(row) {
				t.Errorf("%s is absent in row %d and has a value", c.Name, row)
			}
		}
	}
}

// parseTable reads a table as testdata writes it.
func parseTable(text string) *connectors.Batch {
	var header []string
	var b *connectors.TextBuilder
	number := int64(1)
	for line := range strings.Lines(strings.TrimSpace(text)) {
		var row []string
		for cell := range strings.SplitSeq(strings.TrimRight(line, "\n")+" ", " | ") {
			row = append(row, strings.TrimSpace(cell))
		}
		if header == nil {
			header = row
			b = connectors.NewTextBuilder(header)
			continue
		}
		for i := range header {
			value, kind := parseCell(row[i])
			b.Cell(i, value, kind)
		}
		number++
		b.EndRow(number)
	}
	return b.Build()
}

func parseCell(s string) ([]byte, connectors.Kind) {
	for name, kind := range map[string]connectors.Kind{"number": connectors.NumberCell, "date": connectors.DateCell, "boolean": connectors.BooleanCell} {
		if inner, found := strings.CutPrefix(s, name+"("); found {
			return []byte(strings.TrimSuffix(inner, ")")), kind
		}
	}
	switch {
	case s == "":
		return nil, connectors.TextCell
	case s == "absent":
		return nil, connectors.AbsentCell
	case s[0] == '"' && len(s) > 1:
		return []byte(strings.Trim(s, `"`)), connectors.TextCell
	}
	return []byte(s), connectors.TextCell
}

func headerOf(b *connectors.Batch) []string {
	var header []string
	for _, f := range b.Rows.Schema().Fields() {
		header = append(header, f.Name)
	}
	return header
}

func renderTable(b *schemas.Batch) string {
	var out strings.Builder
	for i, c := range b.Columns {
		if i > 0 {
			out.WriteString(" | ")
		}
		out.WriteString(c.Name)
	}
	for row := range int(b.Rows.NumRows()) {
		out.WriteString("\n")
		for i := range b.Columns {
			if i > 0 {
				out.WriteString(" | ")
			}
			text, ok := b.Text(i, row)
			switch {
			case b.IsAbsent(i, row):
				text = "absent"
			case !ok:
				text = "null"
			case strings.TrimSpace(text) != text:
				text = `"` + text + `"`
			}
			out.WriteString(text)
		}
	}
	return out.String()
}

// squeezeTable takes out the blanks that align columns.
func squeezeTable(text string) string {
	var rows []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		var cells []string
		for cell := range strings.SplitSeq(strings.TrimRight(line, "\n")+" ", " | ") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, strings.Join(cells, " | "))
	}
	return strings.Join(rows, "\n")
}
