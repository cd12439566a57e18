package pipelines_test

import (
	"strings"
	"testing"

	"crossdock/connectors"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// process runs a pipeline over rows of cells, and returns what it finds wrong
// and the values of the rows that pass.
func process(t *testing.T, text string, header []string, rows ...[]string) (findings, values []string) {
	t.Helper()
	p, err := pipelines.Parse("p.yaml", []byte(text), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.Start(header, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Two batches, since what repeats may stand in either.
	for i, half := range [][][]string{rows[:len(rows)/2], rows[len(rows)/2:]} {
		b := connectors.NewTextBuilder(header)
		for n, row := range half {
			for c, cell := range row {
				var bytes []byte
				if cell != "" {
					bytes = []byte(cell)
				}
				b.Cell(c, bytes, connectors.TextCell)
			}
			b.EndRow(int64(2 + i*len(rows)/2 + n))
		}
		result, err := x.Process(t.Context(), b.Build())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range result.Findings {
			findings = append(findings, f.Rule+" "+f.Field)
		}
		result.Batch.Each(func(row int) bool {
			var cells []string
			for c, column := range result.Batch.Columns {
				value, ok := result.Batch.Text(c, row)
				switch {
				case result.Batch.IsAbsent(c, row):
					value = "keep"
				case !ok:
					value = "clear"
				}
				cells = append(cells, column.Name+"="+value)
			}
			values = append(values, strings.Join(cells, " "))
			return true
		})
	}
	return findings, values
}

const products = "pipeline: p\nsource: { connector: csv, path: p.csv }\nentity: product\nmap: { sku: id, name.*: 'name[*]', brand: { column: [brand, marque], empty: clear, optional: true }, mpn: { column: mpn, optional: true } }\n"

func TestRepeatedKeysAreMergedWhereThePipelineSaysSo(t *testing.T) {
	header := []string{"id", "name[en]", "brand"}
	rows := [][]string{{"A", "Screw", "X"}, {"A", "", ""}, {"B", "Nut", "X"}, {"A", "", ""}}
	findings, values := process(t, products+"empty: keep\nduplicates: merge\n", header, rows...)
	if len(findings) != 0 || strings.Join(values, "\n") != "sku=A name.en=Screw brand=X\nsku=A name.en=keep brand=clear\nsku=B name.en=Nut brand=X\nsku=A name.en=keep brand=clear" {
		t.Errorf("found %q, values\n%s", findings, strings.Join(values, "\n"))
	}
	findings, values = process(t, products+"empty: keep\n", header, rows...)
	if strings.Join(findings, ", ") != "unique sku, unique sku" || len(values) != 2 {
		t.Errorf("without merge: found %q, %d rows pass", findings, len(values))
	}
}

// TestReferencesSeeMergedKeys makes sure that a row may refer to one of the
// same run whose key stands in several rows.
func TestReferencesSeeMergedKeys(t *testing.T) {
	const text = "pipeline: c\nsource: { connector: csv, path: c.csv }\nentity: category\nduplicates: merge\n" +
		"map: { category: id, name.en: name, parent: above }\nrules: [{ reference: parent }]\n"
	findings, values := process(t, text, []string{"id", "name", "above"},
		[]string{"A", "Tools", ""}, []string{"A", "Tools", ""}, []string{"A", "Tools", ""}, []string{"B", "Saws", "A"})
	if len(findings) != 0 || len(values) != 4 {
		t.Errorf("found %q, %d rows pass", findings, len(values))
	}
}

// TestRulesOverPatternsAreReadWithTheSource looks at what can be said only
// when the header is known.
func TestRulesOverPatternsAreReadWithTheSource(t *testing.T) {
	findings, _ := process(t, products+"rules: [{ required: name.en }]\n", []string{"id", "name[en]", "brand"}, []string{"A", "", "X"}, []string{"B", "Nut", "X"})
	if strings.Join(findings, ", ") != "required name.en" {
		t.Errorf("found %q", findings)
	}
	p, err := pipelines.Parse("p.yaml", []byte(products+"rules: [{ required: name.en }]\nchecks: [{ null_rate: brand, max: 10% }]\n"), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		header []string
		want   string
	}{
		{[]string{"id", "name[de]", "brand"}, "p.yaml:5:11: rules[0].required: "},
		{[]string{"id", "name[en]"}, "p.yaml:6:12: checks[0].null_rate: "},
		{[]string{"id", "names", "brand"}, "p.yaml:4:17: map.name.*: the source has no column like name[*]"},
	} {
		if _, err := p.Start(tt.header, nil, nil); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("header %q: %v, want %s", tt.header, err, tt.want)
		}
	}
}
