package suggest

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crossdock/connectors"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// column makes a column of the cells given, repeated to 60 rows.
func column(header string, cells ...string) Column {
	c := Column{Header: header}
	for len(c.Cells) < 60 {
		c.Cells = append(c.Cells, cells[len(c.Cells)%len(cells)])
	}
	return c
}

// counted makes a column whose cells are all different.
func counted(header string, cell func(row int) string) Column {
	c := Column{Header: header}
	for row := range 60 {
		c.Cells = append(c.Cells, cell(row))
	}
	return c
}

func gtin(row int) string {
	digits := "40063813" + strconv.Itoa(1000+row)
	sum := 0
	for i := range digits {
		sum += int(digits[i]-'0') * (1 + 2*(i%2))
	}
	return digits + strconv.Itoa((10-sum%10)%10)
}

func propose(t *testing.T, entity string, columns ...Column) *Proposal {
	t.Helper()
	p, err := Propose(schemas.Default(), &Table{
		Name: "inbox/supplier file (2).csv", Columns: columns, Rows: 60,
		Source: []Setting{{"connector", "csv"}, {"path", "supplier file (2).csv"}},
	}, entity)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipelines.Parse("proposed.yaml", []byte(p.YAML), schemas.Default()); err != nil {
		t.Fatalf("%v in\n%s", err, p.YAML)
	}
	return p
}

func sku() Column {
	return counted("Artikelnummer", func(row int) string { return "A-" + strconv.Itoa(row) })
}

// TestFormsAreInferred looks at the right-hand side that a column gets.
func TestFormsAreInferred(t *testing.T) {
	for _, tt := range []struct {
		name, entity string
		column       Column
		target, form string
		note         string
	}{
		{"comma", "product", column("Gewicht", "0,5", "12,25"), "weight", "{ column: Gewicht, decimal: '1234,56' }", ""},
		{"grouped", "price", column("Preis", "1.200,50", "12,25"), "amount", "{ column: Preis, decimal: '1.234,56' }", ""},
		{"point and comma", "price", column("price", "1,200.50", "12.25"), "amount", "{ column: price, decimal: '1,234.56' }", ""},
		{"blank between groups", "price", column("prix", "1 200,50", "12,25"), "amount", "{ column: prix, decimal: '1 234,56' }", ""},
		{"plain", "price", column("price", "1200.50", "12.25"), "amount", "price", ""},
		{"read in two ways", "stock_level", column("Bestand", "1.200", "15"), "on_hand", "{ column: Bestand, decimal: '1.234,56' }", "two ways"},
		{"unit of the header", "product", column("Gewicht (g)", "500", "12"), "weight", `{ expr: 'column("Gewicht (g)") == "" ? nil : convert(decimal(column("Gewicht (g)")), "GRM", "KGM")' }`, ""},
		{"dates", "price", column("gültig ab", "31.12.2026", "01.01.2026"), "valid_from", "{ column: gültig ab, date: 'DD.MM.YYYY' }", ""},
		{"day or month", "price", column("start date", "01/02/2026", "03/04/2026"), "valid_from", "{ column: start date, date: 'DD/MM/YYYY' }", "changed places"},
		{"month first", "price", column("start date", "12/31/2026", "03/04/2026"), "valid_from", "{ column: start date, date: 'MM/DD/YYYY' }", ""},
		{"ISO dates", "price", column("start date", "2026-12-31", "2026-01-01"), "valid_from", "start date", ""},
		{"last day", "price", column("end date", "2026-12-31", "2027-12-31"), "valid_to", "end date", "last day"},
		{"values of an enum", "product", column("Status", "aktiv", "gesperrt", "7"), "status", "{ column: Status, values: { aktiv: active, gesperrt: inactive } }", "no meaning is known for 7"},
		{"values as they are", "product", column("Status", "active", "inactive"), "status", "Status", ""},
		{"a flag that negates", "product", column("inactiveVariant", "TRUE", "FALSE"), "status", "{ column: inactiveVariant, values: { 'TRUE': inactive, 'FALSE': active } }", ""},
		{"a mark that negates", "product", column("Sperrkennzeichen", "X", "", "-"), "status", "{ column: Sperrkennzeichen, values: { X: inactive, '-': active } }", ""},
		{"yes and no", "product", column("deleted", "ja", "nein"), "deleted", "{ column: deleted, true: ['ja'], false: ['nein'] }", ""},
		{"a mark", "product", column("deleted", "x", ""), "deleted", "{ column: deleted, true: ['x'], default: false }", ""},
		{"units as people write them", "product", column("ME", "Stk", "kg"), "base_unit", "{ expr: 'unit(ME)' }", ""},
		{"units by code", "product", column("ME", "C62", "KGM"), "base_unit", "ME", ""},
		{"countries by name", "product", column("Herkunft", "DE", "Italien"), "country_of_origin", "{ column: Herkunft, values: { Italien: IT }, otherwise: keep }", ""},
		{"currency signs", "price", column("Währung", "€", "CHF"), "currency", "{ column: Währung, values: { '€': EUR }, otherwise: keep }", ""},
		{"list", "product", column("Bild", "https://a.example/1.jpg||https://a.example/2.jpg"), "images", "{ column: Bild, split: '||' }", ""},
		{"content alone", "product", counted("Feld 7", gtin), "gtin", "Feld 7", ""},
		{"language of the header", "product", column("Bezeichnung FR", "vis à bois"), "name.fr", "Bezeichnung FR", ""},
		{"language of the texts", "product", column("Name", "vis à bois pour le mur", "boulon avec écrou", "rondelle en acier inox pour vis", "jeu de clés avec étui"), "name.fr", "Name", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := propose(t, tt.entity, sku(), tt.column)
			i := slices.IndexFunc(p.Matches, func(m Match) bool { return m.Column == tt.column.Header })
			if i < 0 {
				t.Fatalf("the column fills nothing:\n%s", p.YAML)
			}
			m := p.Matches[i]
			if m.Target != tt.target || m.Form != tt.form {
				t.Errorf("got  %s: %s\nwant %s: %s", m.Target, m.Form, tt.target, tt.form)
			}
			notes := strings.Join(m.Notes, "\n")
			if tt.note == "" && notes != "" || !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
}

// TestContentForbidsWhatTheHeaderSays gives columns the header of one field
// and the content of something else.
func TestContentForbidsWhatTheHeaderSays(t *testing.T) {
	for _, tt := range []struct {
		name, entity string
		column       Column
	}{
		{"deletion of something else", "product", column("deletedProduct", "TRUE", "FALSE")},
		{"GTIN without check digits", "product", counted("EAN", func(row int) string { return strconv.Itoa(4006381000000 + row*7) })},
		{"quantity of words", "stock_level", column("Bestand", "viel", "wenig", "keiner")},
		{"amount of dates", "price", column("Preis", "31.12.2026", "01.01.2026")},
		{"name of numbers", "product", counted("Bezeichnung", func(row int) string { return strconv.Itoa(row) + ",50" })},
		{"currency of countries", "price", column("Währung", "Deutschland", "Frankreich")},
		{"country of numbers", "product", column("Land", "49", "33", "41")},
		{"image that is a name", "product", column("Bild", "Hammer", "Säge")},
		{"status that is yes and no of something", "product", column("geprüft", "TRUE", "FALSE")},
		{"status of texts", "product", counted("Status", func(row int) string { return "Zeile" + strconv.Itoa(row) })},
		{"date of numbers", "price", column("gültig ab", "12", "17")},
		{"price with tax", "price", column("Preis brutto", "12,50", "13,20")},
		{"brand of GUIDs", "product", counted("Marke", func(row int) string { return "3F5AE95E-B87D-4AED-95B4-C3797AFC" + strconv.Itoa(1000+row) })},
		{"empty column", "product", column("EAN", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := propose(t, tt.entity, sku(), tt.column)
			if len(p.Matches) != 1 || p.Matches[0].Target != "sku" || len(p.Unmatched) != 1 {
				t.Errorf("the column was taken:\n%s", p.YAML)
			}
		})
	}
}

func TestAColumnOfUnitsBelongsToItsQuantity(t *testing.T) {
	p := propose(t, "product", sku(), column("Weight", "1.5", "300"), column("WeightUnit", "kg", "g"))
	const want = `{ expr: 'Weight == "" ? nil : convert(decimal(Weight), unit(WeightUnit), "KGM")' }`
	if p.Matches[1].Form != want || len(p.Unmatched) != 0 {
		t.Errorf("got\n%s", p.YAML)
	}
}

func TestNumbersOfTheSourceNeedNoFormat(t *testing.T) {
	c := column("Preis", "1200.5", "12.25")
	for range c.Cells {
		c.Kinds = append(c.Kinds, connectors.NumberCell)
	}
	p := propose(t, "price", sku(), c, column("Rabatt", "1,5", "2,25"))
	if p.Matches[1].Form != "Preis" {
		t.Errorf("got %s", p.Matches[1].Form)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	p := propose(t, "price", sku(), column("Preis (EUR)", "1,50", "2,25"), column("Lager", "A", "B"))
	if !slices.Equal(p.Missing, []string{"list"}) {
		t.Errorf("missing %v", p.Missing)
	}
	for _, want := range []string{
		"currency: { constant: EUR }", "# No column gives list", "#   list: { constant: dealer-eu }", "# Columns that fill no field:", "#   Lager: A | B",
	} {
		if !strings.Contains(p.YAML, want) {
			t.Errorf("the proposal lacks %q:\n%s", want, p.YAML)
		}
	}
	if _, err := Propose(schemas.Default(), &Table{Name: "x.csv", Columns: []Column{column("zzz", "a b c d e f g h")}}, "price"); err == nil ||
		!strings.Contains(err.Error(), `x.csv: no column can be matched to a field of price; it has: "zzz"`) {
		t.Errorf("nothing matched: %v", err)
	}
}

// TestEveryProposalIsAPipeline holds whatever headers and cells there may be:
// the text is a pipeline whose mapping can be bound to the columns.
func TestEveryProposalIsAPipeline(t *testing.T) {
	headers := rapid.OneOf(
		rapid.SampledFrom([]string{"Artikelnummer", "Preis (EUR)", "Größe: [mm]", "no", "100", "true", "- x", "a # b", "it's", `say "x"`, "ä\tb\nc", "{x}", "&a", "*", "null", "Name EN"}),
		rapid.String(),
	)
	cells := rapid.OneOf(rapid.SampledFrom([]string{"", "1,5", "aktiv", "€", "Stk", "31.12.2026", "x\ny", "# z", "ja"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		table := &Table{Name: rapid.String().Draw(t, "file"), Source: []Setting{{"connector", "csv"}, {"path", rapid.String().Draw(t, "path")}}}
		seen := map[string]bool{}
		table.Rows = rapid.IntRange(1, 5).Draw(t, "rows")
		table.Columns = []Column{{Header: "sku", Cells: []string{"A", "B", "C", "D", "E"}[:table.Rows]}}
		for range rapid.IntRange(0, 4).Draw(t, "columns") {
			c := Column{Header: strings.TrimSpace(headers.Draw(t, "header"))}
			if c.Header == "" || c.Header == "sku" || seen[c.Header] {
				continue
			}
			seen[c.Header] = true
			for range table.Rows {
				c.Cells = append(c.Cells, cells.Draw(t, "cell"))
			}
			table.Columns = append(table.Columns, c)
		}
		entity := rapid.SampledFrom([]string{"product", "price", "stock_level"}).Draw(t, "entity")
		p, err := Propose(schemas.Default(), table, entity)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := pipelines.Parse("p.yaml", []byte(p.YAML), schemas.Default())
		if err != nil {
			t.Fatalf("%v in\n%s", err, p.YAML)
		}
		names := make([]string, len(table.Columns))
		for i, c := range table.Columns {
			names[i] = c.Header
		}
		if _, err := parsed.Start(names, nil, nil); err != nil {
			t.Fatalf("%v in\n%s", err, p.YAML)
		}
		if len(p.Matches)+len(p.Unmatched) < len(table.Columns)-len(p.Matches) {
			t.Fatalf("columns are lost in\n%s", p.YAML)
		}
	})
}

// TestAssignmentsAreTheBest compares with trying all of them.
func TestAssignmentsAreTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 5).Draw(t, "rows"), rapid.IntRange(1, 5).Draw(t, "columns")
		scores := make([][]float64, rows)
		for i := range scores {
			for range columns {
				scores[i] = append(scores[i], float64(rapid.IntRange(0, 9).Draw(t, "score")))
			}
		}
		sum, used := 0.0, map[int]bool{}
		for row, c := range assign(scores) {
			if c < 0 {
				continue
			}
			if used[c] {
				t.Fatalf("column %d is given twice", c)
			}
			used[c] = true
			sum += scores[row][c]
		}
		if want := bestSum(scores, 0, map[int]bool{}); sum != want {
			t.Fatalf("sum %v, the best is %v", sum, want)
		}
	})
}

func bestSum(scores [][]float64, row int, used map[int]bool) float64 {
	if row == len(scores) {
		return 0
	}
	best := bestSum(scores, row+1, used)
	for c, s := range scores[row] {
		if !used[c] {
			used[c] = true
			best = max(best, s+bestSum(scores, row+1, used))
			delete(used, c)
		}
	}
	return best
}
