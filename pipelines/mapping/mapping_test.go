package mapping

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/schemas"
)

// bind compiles and binds a mapping that is right.
func bind(t testing.TB, entity string, header []string, mapped map[string]any) *Program {
	t.Helper()
	var assignments []Assignment
	for target, from := range mapped {
		assignments = append(assignments, Assignment{target, from})
	}
	m, errs := Compile(entityOf(t, entity), "", assignments, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p, errs := m.Bind(header, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

func mapOne(t testing.TB, p *Program, b *connectors.Batch) (*schemas.Batch, []schemas.Rejection) {
	t.Helper()
	rows, findings, skipped, err := p.Map(b)
	if err != nil {
		t.Fatal(err)
	}
	holdInvariants(t, rows, findings, skipped)
	return rows, findings
}

func TestSourceColumns(t *testing.T) {
	p := bind(t, "product", []string{"a", "Nr", "c"}, map[string]any{
		"sku":     "Nr",
		"name.de": map[string]any{"expr": `c + a`},
		"brand":   map[string]any{"constant": "x"},
		"mpn":     map[string]any{"expr": `"x"`},
	})
	var got []int
	for i := range p.columns {
		got = append(got, p.SourceColumn(i))
	}
	if fmt.Sprint(got) != "[1 -1 2 -1]" {
		t.Errorf("sku, mpn, name.de and brand are read from %v", got)
	}
	if p.SourceOf("name.de") != 2 || p.SourceOf("brand") != -1 || p.SourceOf("weight") != -1 {
		t.Errorf("SourceOf: %d, %d, %d", p.SourceOf("name.de"), p.SourceOf("brand"), p.SourceOf("weight"))
	}
}

func TestTextIsNotCopied(t *testing.T) {
	p := bind(t, "product", []string{"a"}, map[string]any{"sku": "a", "brand": "a"})
	b := parseTable("a\n0017\n\nWürfel\ngröße+ä")
	rows, _ := mapOne(t, p, b)
	for i := range rows.Columns {
		if rows.Rows.Column(i) != b.Rows.Column(0) {
			t.Errorf("%s was copied", rows.Columns[i].Name)
		}
	}
	if rows.Selected != nil {
		t.Errorf("Selected = %v, want nil, as every row goes on", rows.Selected)
	}
}

func TestChangedHeader(t *testing.T) {
	p := bind(t, "product", []string{"a", "b"}, map[string]any{"sku": "a"})
	for source, want := range map[string]string{
		"a | b | c\n1 | 2 | 3": "the source has changed while it was read: it had 2 columns and now has 3",
		"b | a\n1 | 2":         "the source has changed while it was read: column 1 was a and now is b",
	} {
		if _, _, _, err := p.Map(parseTable(source)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestMappedTwice(t *testing.T) {
	_, errs := Compile(entityOf(t, "product"), "", []Assignment{{"sku", "a"}, {"sku", "b"}}, nil)
	if len(errs) != 1 || errs[0].Error() != "map.sku: is mapped twice" {
		t.Error(errs)
	}
}

// TestManyColumns holds that a message names some columns of a source, and
// not all of a thousand.
func TestManyColumns(t *testing.T) {
	header := make([]string, 1000)
	for i := range header {
		header[i] = fmt.Sprintf("column %d", i)
	}
	m, errs := Compile(entityOf(t, "product"), "", []Assignment{{"sku", "Artikelnummer"}}, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	_, errs = m.Bind(header, nil)
	if len(errs) != 1 || !strings.HasSuffix(errs[0].Message, "column 19 and 980 more)") || len(errs[0].Message) > 400 {
		t.Error(errs)
	}
}

func TestEmptyBatch(t *testing.T) {
	p := bind(t, "everything", []string{"a"}, map[string]any{"identifier": "a", "date": "a", "boolean": "a", "list": "a", "text": map[string]any{"constant": "x"}})
	rows, findings := mapOne(t, p, connectors.NewTextBuilder([]string{"a"}).Build())
	if rows.Count() != 0 || len(findings) != 0 {
		t.Errorf("%d rows, findings %v", rows.Count(), findings)
	}
}

// TestTypedSource holds that a source need not send text.
func TestTypedSource(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	}, nil)
	r := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	r.Field(0).(*array.Int64Builder).AppendValues([]int64{17, 0}, []bool{true, false})
	r.Field(1).(*array.Date32Builder).AppendValues([]arrow.Date32{20_000, 0}, []bool{true, false})
	p := bind(t, "everything", []string{"n", "day"}, map[string]any{"identifier": "n", "decimal": map[string]any{"expr": "decimal(n) / 2"}, "date": "day"})
	// The expression fails in the second row, whose cell is empty.
	rows, _, _, err := p.Map(&connectors.Batch{Rows: r.NewRecordBatch()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := renderTable(rows), "identifier | decimal | date\n17 | 8.5 | 2024-10-04\nnull | null | null"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	p := bind(t, "product", []string{"a"}, map[string]any{"weight": "a"})
	b := connectors.NewTextBuilder([]string{"a"})
	b.Cell(0, []byte(strings.Repeat("ä", 100_000)), connectors.TextCell)
	b.EndRow(2)
	_, findings := mapOne(t, p, b.Build())
	if len(findings) != 1 || len(findings[0].Value) > 500 || len(findings[0].Message) > 500 {
		t.Errorf("%d findings", len(findings))
	}
}

// TestColumnIsBounded holds that an expression cannot fill the memory.
func TestColumnIsBounded(t *testing.T) {
	p := bind(t, "product", []string{"a"}, map[string]any{"brand": map[string]any{"expr": `pad(a, 250000, "x")`}})
	_, _, _, err := p.Map(parseTable("a" + strings.Repeat("\nx", 1000)))
	if err == nil || !strings.HasPrefix(err.Error(), "map brand: the texts of one batch grow beyond 64 MiB") {
		t.Error(err)
	}
}

func TestTableBounds(t *testing.T) {
	large := NewTable("t", []string{"k"}, "last")
	b := connectors.NewTextBuilder([]string{"k", "v"})
	b.Cell(0, []byte("1"), connectors.TextCell)
	b.Cell(1, make([]byte, 100<<20), connectors.TextCell)
	b.EndRow(2)
	batch := b.Build()
	for i := range 3 {
		err := large.Add(batch)
		if (err != nil) != (i == 2) {
			t.Errorf("batch %d of 100 MiB: %v", i, err)
		}
	}
	if large.Len() != 1 {
		t.Errorf("Len = %d", large.Len())
	}
	changed := NewTable("t", []string{"k"}, "")
	if err := changed.Add(parseTable("k | v\n1 | a")); err != nil {
		t.Fatal(err)
	}
	err := changed.Add(parseTable("k | w\n2 | a"))
	if want := "the lookup table t has changed while it was read: it had the columns k, v and now has k, w"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, found := changed.Get(-1, []string{"1"}); found {
		t.Error("a column that does not exist has a cell")
	}
}

// TestKeysDoNotCollide holds that the parts of a key are kept apart.
func TestKeysDoNotCollide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.StringMatching(`[ab\x00-\x03]{0,3}`), 2, 2)
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		same := trimmed(a[0]) == trimmed(b[0]) && trimmed(a[1]) == trimmed(b[1])
		if (string(joinKey(nil, a)) == string(joinKey(nil, b))) != same {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

// TestRowsComeBack maps what any rows would look like in an export, and holds
// that the values are those that were written.
func TestRowsComeBack(t *testing.T) {
	header := []string{"id", "n", "d", "b", "day", "at"}
	p := bind(t, "everything", header, map[string]any{
		"identifier": "id", "integer": "n", "money": map[string]any{"column": "d", "decimal": "1234,56"}, "boolean": "b",
		"date": map[string]any{"column": "day", "date": "DD.MM.YYYY"}, "timestamp": "at",
	})
	rapid.Check(t, func(t *rapid.T) {
		b := connectors.NewTextBuilder(header)
		var want [][]string
		for range rapid.IntRange(0, 20).Draw(t, "rows") {
			at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "at"), 0).UTC()
			d := schemas.Decimal(rapid.Int64Range(-int64(schemas.MaxDecimal), int64(schemas.MaxDecimal)).Draw(t, "d"))
			row := []string{
				rapid.StringMatching(`0{0,2}[A-Z0-9]{1,5}`).Draw(t, "id"), fmt.Sprint(rapid.Int64().Draw(t, "n")), d.String(),
				fmt.Sprint(rapid.Bool().Draw(t, "b")), at.Format(time.DateOnly), at.Format(time.RFC3339),
			}
			want = append(want, row)
			for i, cell := range []string{row[0], row[1], strings.Replace(row[2], ".", ",", 1), row[3], at.Format("02.01.2006"), row[5]} {
				b.Cell(i, []byte(cell), connectors.TextCell)
			}
			b.EndRow(2)
		}
		rows, findings, _, err := p.Map(b.Build())
		if err != nil || len(findings) > 0 {
			t.Fatal(err, findings)
		}
		for row, cells := range want {
			for i, name := range []string{"identifier", "integer", "money", "boolean", "date", "timestamp"} {
				if got, _ := rows.Text(rows.Index(name), row); got != cells[i] {
					t.Fatalf("%s in row %d is %s, want %s", name, row, got, cells[i])
				}
			}
		}
	})
}

// FuzzMap holds that whatever stands in a cell, a row either has a value that
// can be written or a finding, and nothing panics.
func FuzzMap(f *testing.F) {
	for _, s := range []string{"", " ", "0017", "1.234,56", "4.00638E+12", "2026-11-21T10:00:00Z", `["a"]`, `{"a":1}`, "ja", "a|b", "\xff", "1E+30", "12-"} {
		f.Add(s, byte(0))
		f.Add(s, byte(1))
	}
	header := []string{"x"}
	mapped := map[string]any{}
	for _, field := range entityOf(f, "everything").Fields {
		name := field.Name
		if field.Type == schemas.LocalisedText {
			name += ".de"
		}
		mapped[name] = "x"
	}
	p := bind(f, "everything", header, mapped)
	f.Fuzz(func(t *testing.T, s string, kind byte) {
		b := connectors.NewTextBuilder(header)
		b.Cell(0, []byte(s), connectors.Kind(kind%4))
		b.EndRow(2)
		rows, findings := mapOne(t, p, b.Build())
		found := map[string]bool{}
		for _, finding := range findings {
			found[finding.Field] = true
			if finding.Message == "" || strings.Contains(finding.Message, "\n") {
				t.Errorf("message %q", finding.Message)
			}
		}
		for i, c := range rows.Columns {
			empty := strings.TrimSpace(s) == "" || c.Field.Type == schemas.List || c.Field.Type == schemas.JSON
			if _, ok := rows.Text(i, 0); !ok && !found[c.Name] && !empty {
				t.Errorf("%q became null in %s without a finding", s, c.Name)
			}
		}
	})
}

// typical is a batch as most are: an article with texts, three numbers, an
// enum with a value table and a date, of 15 columns.
func typical(t testing.TB, rows int) (*Program, *connectors.Batch) {
	header := []string{"Artikelnummer", "EAN", "Bezeichnung", "Beschreibung", "Marke", "Hersteller", "Warengruppe", "Einheit", "Gewicht", "Menge", "VPE", "Herkunft", "Farbe", "Kz", "Datum"}
	p := bind(t, "product", header, map[string]any{
		"sku": "Artikelnummer", "gtin": "EAN", "name.de": "Bezeichnung", "description.de": "Beschreibung", "brand": "Marke",
		"manufacturer": "Hersteller", "category": "Warengruppe", "base_unit": "Einheit",
		"weight":             map[string]any{"column": "Gewicht", "decimal": "1.234,56"},
		"min_order_quantity": "Menge", "pack_size": "VPE", "country_of_origin": "Herkunft", "attributes.colour": "Farbe",
		"status": map[string]any{"column": "Kz", "values": map[string]any{"A": "active", "X": "inactive"}},
		// The product has no date of its own.
		"attributes.since": "Datum",
	})
	b := connectors.NewTextBuilder(header)
	for i := range rows {
		kz := "A"
		if i%7 == 0 {
			kz = "X"
		}
		for column, cell := range []string{
			fmt.Sprintf("AR-%06d", i), "4006381333931", "Adjustable race, steel", "A race that is adjustable and made of steel", "ACME", "ACME Inc.", "bikes-mountain", "C62",
			fmt.Sprintf("%d,%02d", i%2000, i%100), fmt.Sprint(i % 50), "10", "DE", "red", kz, "2026-11-21",
		} {
			b.Cell(column, []byte(cell), connectors.TextCell)
		}
		b.EndRow(int64(i + 2))
	}
	return p, b.Build()
}

func BenchmarkMap(b *testing.B) {
	const rows = 8000
	p, batch := typical(b, rows)
	b.ReportAllocs()
	for b.Loop() {
		if _, findings, _, err := p.Map(batch); err != nil || len(findings) > 0 {
			b.Fatal(err, findings)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

// BenchmarkMapPrices measures prices: two keys, an amount, a quantity and two times.
func BenchmarkMapPrices(b *testing.B) {
	const rows = 8000
	header := []string{"Nr", "Liste", "Ab", "Preis", "Von", "Bis"}
	p := bind(b, "price", header, map[string]any{
		"sku": "Nr", "list": "Liste", "min_quantity": "Ab", "amount": map[string]any{"column": "Preis", "decimal": "1.234,56"},
		"valid_from": map[string]any{"column": "Von", "date": "DD.MM.YYYY", "zone": "Europe/Berlin"}, "valid_to": "Bis",
		"currency": map[string]any{"constant": "EUR"},
	})
	t := connectors.NewTextBuilder(header)
	for i := range rows {
		for column, cell := range []string{fmt.Sprintf("%06d", i), "B2B", "1", fmt.Sprintf("1.%03d,50", i%1000), "01.02.2026", "2026-12-31"} {
			t.Cell(column, []byte(cell), connectors.TextCell)
		}
		t.EndRow(int64(i + 2))
	}
	batch := t.Build()
	b.ReportAllocs()
	for b.Loop() {
		if _, findings, _, err := p.Map(batch); err != nil || len(findings) > 0 {
			b.Fatal(err, findings)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkExpression(b *testing.B) {
	const rows = 8000
	p := bind(b, "product", []string{"g", "n"}, map[string]any{
		"category": map[string]any{"expr": `split(g, ">")[0]`}, "weight": map[string]any{"expr": `decimal(n) / 1000`},
	})
	batch := parseTable("g | n" + strings.Repeat("\nbikes>mountain | 1250", rows))
	b.ReportAllocs()
	for b.Loop() {
		if _, findings, _, err := p.Map(batch); err != nil || len(findings) > 0 {
			b.Fatal(err, findings)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkLookup(b *testing.B) {
	table := NewTable("t", []string{"k", "l"}, "")
	source := connectors.NewTextBuilder([]string{"k", "l", "v"})
	for i := range 100_000 {
		source.Cell(0, fmt.Append(nil, i), connectors.TextCell)
		source.Cell(1, []byte("de"), connectors.TextCell)
		source.Cell(2, []byte("Text"), connectors.TextCell)
		source.EndRow(int64(i))
	}
	if err := table.Add(source.Build()); err != nil {
		b.Fatal(err)
	}
	keys := []string{"4711", "de"}
	b.ReportAllocs()
	for b.Loop() {
		if _, found := table.Get(2, keys); !found {
			b.Fatal("not found")
		}
	}
}

func ExampleMapping() {
	product, err := schemas.Default().Entity("product")
	if err != nil {
		panic(err)
	}
	m, _ := Compile(product, "", []Assignment{
		{Target: "sku", From: "Nr"},
		{Target: "weight", From: map[string]any{"column": "Gewicht", "decimal": "1.234,56"}},
	}, nil)
	batch := parseTable("Nr | Gewicht\n0017 | 1.234,5\n0018 | 12.5")
	p, _ := m.Bind(headerOf(batch), nil)
	rows, findings, _, _ := p.Map(batch)
	fmt.Println(renderTable(rows))
	fmt.Println(findings[0].Field, findings[0].Value, findings[0].Message)
	// Output:
	// sku | weight
	// 0017 | 1234.5
	// 0018 | null
	// weight 12.5 is not a decimal number written as 1.234,56, but looks like 1234.56
}
