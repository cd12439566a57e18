package pipelines_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// TestFaults reads testdata/*.bad.yaml. Each begins with the messages that it
// must give, one to a line behind "# want: "; a line is a prefix of its message.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.SplitSeq(string(text), "\n") {
				if message, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, message)
				}
			}
			_, err = pipelines.Parse(filepath.Base(file), text, schemas.Default())
			var faults pipelines.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("Parse error = %v, want faults", err)
			}
			if len(faults) != len(want) {
				t.Fatalf("faults:\n%s\nwant %d", faults, len(want))
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.Error(), want[i]) {
					t.Errorf("fault %q, want %q", f, want[i])
				}
			}
		})
	}
}

const whole = `pipeline: acme-catalog
source: { connector: csv, path: "in/*.csv", delimiter: ";" }
entity: product
mode: upsert
filter: 'Typ != "Summe"'
lookups:
  texts: { source: { connector: csv, path: texts.csv }, keys: [Artikel, Sprache], duplicates: last }
map:
  sku: Artikel
  name.de: Bezeichnung
  min_order_quantity: { column: Menge, decimal: "1.234,56" }
  pack_size: { column: Gebinde, decimal: "1.234,56" }
  status: { column: Kz, values: { A: active, X: inactive }, otherwise: reject }
rules:
  - { expression: 'min_order_quantity % pack_size == 0', severity: warn }
on_reject: { stop_above: 12.5% }
`

func TestParseReadsEveryKey(t *testing.T) {
	p, err := pipelines.Parse("dir/acme.yaml", []byte(whole), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	type fields struct {
		Name, Entity string
		Source       pipelines.Source
		Lookups      []pipelines.Lookup
		StopAbove    float64
		Columns      []string
	}
	got := fields{Name: p.Name, Entity: p.Entity.Name, Source: p.Source, Lookups: p.Lookups, StopAbove: p.StopAbove}
	for _, c := range p.Mapping.Columns() {
		got.Columns = append(got.Columns, c.Name)
	}
	want := fields{
		Name: "acme-catalog", Entity: "product", StopAbove: 0.125,
		Source: pipelines.Source{Connector: "csv", Settings: map[string]any{"path": "in/*.csv", "delimiter": ";"}},
		Lookups: []pipelines.Lookup{{
			Name: "texts", Keys: []string{"Artikel", "Sprache"}, Duplicates: "last",
			Source: pipelines.Source{Connector: "csv", Settings: map[string]any{"path": "texts.csv"}},
		}},
		Columns: []string{"sku", "name.de", "pack_size", "min_order_quantity", "status"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheExampleOfTheManualIsAPipeline(t *testing.T) {
	text, err := os.ReadFile("../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```yaml\n")
	block, _, closed := strings.Cut(block, "```\n")
	if !found || !closed {
		t.Fatal("docs/pipelines.md has no example")
	}
	p, err := pipelines.Parse("docs/pipelines.md", []byte(block), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Lookups) != 1 || p.StopAbove != 0.2 {
		t.Errorf("pipeline = %+v, want a lookup and stop_above", p)
	}
}

// batch makes a batch as a CSV reader would, its first row in line 2.
func batch(header string, lines ...string) *connectors.Batch {
	b := connectors.NewTextBuilder(strings.Split(header, ";"))
	for i, line := range lines {
		for c, text := range strings.Split(line, ";") {
			var value []byte
			if text != "" {
				value = []byte(text)
			}
			b.Cell(c, value, connectors.TextCell)
		}
		b.EndRow(int64(i + 2))
	}
	out := b.Build()
	out.Origin.Resource = "artikel.csv"
	return out
}

func TestProcessSortsRowsIntoPassedRejectedAndSkipped(t *testing.T) {
	p, err := pipelines.Parse("acme.yaml", []byte(whole), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	const header = "Artikel;Bezeichnung;Menge;Gebinde;Kz;Typ"
	x, err := p.Start(strings.Split(header, ";"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := x.Process(t.Context(), batch(header,
		"A-1;Mutter;20;10;A;Artikel", // passes
		"A-2;Bolzen;15;10;A;Artikel", // warned: no multiple
		"A-3;;1O;10;A;Artikel",       // letter O, and no name
		"A-4;Stift;10;10;Q;Artikel",  // unknown status
		"A-1;Mutter;20;10;A;Artikel", // the key again
		";Summe;99;;;Summe",          // skipped
		"A-6;;10;10;X;Artikel",       // no name
	))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int32{0, 1}, result.Batch.Selected); diff != "" {
		t.Errorf("selected (-want +got)\n%s", diff)
	}
	var got []string
	for _, f := range result.Findings {
		column, name := x.SourceColumn(f.Field)
		got = append(got, strings.Join([]string{string('0' + rune(f.Row)), string(f.Severity), f.Rule, f.Field, name, string('0' + rune(max(column, 0)))}, " "))
	}
	want := []string{
		"1 warn expression  " + " 0", "2 reject type min_order_quantity Menge 2", "2 reject required name.de Bezeichnung 1", "3 reject value_table status Kz 4",
		"4 reject unique sku Artikel 0", "6 reject required name.de Bezeichnung 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got)\n%s", diff)
	}
	if result.Skipped != 1 {
		t.Errorf("skipped = %d, want 1", result.Skipped)
	}
}

func TestStartNamesTheNearestHeader(t *testing.T) {
	p, err := pipelines.Parse("acme.yaml", []byte(whole), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Start([]string{"Artikle", "Bezeichnung", "Menge", "Gebinde", "Kz", "Typ"}, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "acme.yaml:9:3: map.sku: ") || !strings.Contains(err.Error(), "did you mean Artikle?") {
		t.Errorf("Start error = %v, want map.sku with place and suggestion", err)
	}
}

// FuzzParse holds the reader of pipelines to errors in place of panics.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pipelines.Parse("f.yaml", []byte(text), schemas.Default())
		var faults pipelines.Faults
		if err != nil && !errors.As(err, &faults) {
			t.Errorf("error %v is no Faults", err)
		}
		if err == nil && p.Mapping == nil {
			t.Error("neither a pipeline nor an error")
		}
	})
}
