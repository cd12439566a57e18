package suggest

import (
	"os"
	"strings"
	"testing"

	"crossdock/schemas"
)

// A labelled row is a header row of the corpus, with what each header means.
type labelled struct {
	language, entity string
	headers, fields  []string
}

func corpus(t testing.TB) []labelled {
	t.Helper()
	text, err := os.ReadFile("testdata/headers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var rows []labelled
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		head, pairs, _ := strings.Cut(line, ": ")
		row := labelled{}
		row.language, row.entity, _ = strings.Cut(head, " ")
		for pair := range strings.SplitSeq(pairs, "; ") {
			at := strings.LastIndexByte(pair, '=')
			row.headers, row.fields = append(row.headers, pair[:at]), append(row.fields, pair[at+1:])
		}
		rows = append(rows, row)
	}
	return rows
}

// given returns the field that a proposal gives to each header.
func given(t testing.TB, row labelled, entity string) (fields []string, sure []bool, guessed string) {
	t.Helper()
	table := &Table{Name: "file.csv"}
	for _, header := range row.headers {
		table.Columns = append(table.Columns, Column{Header: header})
	}
	p, err := Propose(schemas.Default(), table, entity)
	if err != nil {
		t.Fatal(err)
	}
	fields, sure = make([]string, len(row.headers)), make([]bool, len(row.headers))
	for i := range fields {
		fields[i] = "-"
	}
	for _, m := range p.Matches {
		if m.column >= 0 {
			base, _, _ := strings.Cut(m.Target, ".")
			fields[m.column], sure[m.column] = base, m.Confidence >= Sure
		}
	}
	return fields, sure, p.Entity
}

// TestHeadersOfSixLanguages holds the matching of headers, without any rows
// below them, to a share that is right, and what it is sure of to a higher one.
func TestHeadersOfSixLanguages(t *testing.T) {
	var all, right, auto, autoRight, guesses int
	rows := corpus(t)
	languages := map[string]bool{}
	for _, row := range rows {
		languages[row.language] = true
		fields, sure, _ := given(t, row, row.entity)
		for i, want := range row.fields {
			all++
			if fields[i] == want {
				right++
			} else {
				t.Logf("%s %s: %q is %s, and was given to %s", row.language, row.entity, row.headers[i], want, fields[i])
			}
			if sure[i] {
				auto++
				if fields[i] == want {
					autoRight++
				}
			}
		}
		if _, _, guess := given(t, row, ""); guess == row.entity {
			guesses++
		} else {
			t.Logf("%s %s was taken for %s: %s", row.language, row.entity, guess, strings.Join(row.headers, "; "))
		}
	}
	share := func(n, of int) float64 { return float64(n) / float64(of) }
	t.Logf("%d rows, %d headers: %.1f%% right; of %d sure ones %.1f%%; entity right in %.1f%%",
		len(rows), all, 100*share(right, all), auto, 100*share(autoRight, auto), 100*share(guesses, len(rows)))
	if len(rows) < 60 || len(languages) != 6 {
		t.Fatalf("%d rows in %d languages", len(rows), len(languages))
	}
	if share(right, all) < 0.95 {
		t.Errorf("%d of %d headers are right, fewer than 95%%", right, all)
	}
	if share(autoRight, auto) < 0.99 {
		t.Errorf("%d of the %d sure ones are right, fewer than 99%%", autoRight, auto)
	}
	if share(guesses, len(rows)) < 0.9 {
		t.Errorf("the entity is right for %d of %d rows, fewer than 90%%", guesses, len(rows))
	}
}

// TestHeadersThatShareAWordAreNotTheSame names pairs that matchers by single
// words take for each other.
func TestHeadersThatShareAWordAreNotTheSame(t *testing.T) {
	for _, tt := range []struct{ header, synonym string }{
		{"unit price", "list price"},
		{"minimum order quantity", "stock quantity"},
		{"order date", "delivery date"},
		{"manufacturer sku", "supplier sku"},
		{"valid to", "valid from"},
		{"max order quantity", "min order quantity"},
		{"net weight", "gross weight"},
		{"customer number", "article number"},
		{"Lieferantenartikelnummer", "Artikelnummer"},
		{"gültig bis", "gültig ab"},
		{"prix TTC", "prix HT"},
		{"stock minimum", "stock"},
	} {
		e := &schemas.Entity{Name: "thing", Fields: []schemas.Field{
			{Name: "wanted", Type: schemas.Text, Synonyms: map[string][]string{"en": {tt.synonym}}},
		}}
		x := newIndex(e, nil)
		if h := x.named(read(tt.header))[slot{}]; h.score >= Likely {
			t.Errorf("%q is taken for %q with %.2f: %s", tt.header, tt.synonym, h.score, h.reason)
		}
		if h := x.named(read(tt.synonym))[slot{}]; h.score < Sure {
			t.Errorf("%q is itself with %.2f only", tt.synonym, h.score)
		}
	}
}

func TestHeadersAreReadWithWhatStandsBesideTheirName(t *testing.T) {
	for _, tt := range []struct{ header, name, language, unit, currency string }{
		{"Preis (EUR)", "preis", "", "", "EUR"},
		{"Preis in EUR", "preis", "", "", "EUR"},
		{"Gewicht [kg]", "gewicht", "", "KGM", ""},
		{"Weight, g", "weight", "", "GRM", ""},
		{"Bezeichnung EN", "bezeichnung", "en", "", ""},
		{"Bezeichnung Englisch", "bezeichnung", "en", "", ""},
		{"name[fr-FR]", "name", "fr-FR", "", ""},
		{"name_fr_FR", "name", "fr-FR", "", ""},
		{"description.de", "description", "de", "", ""},
		{"Item no", "item no", "", "", ""},
		{"ListPrice", "list price", "", "", ""},
		{"SKUCode", "sku code", "", "", ""},
		{"Größe", "grösse", "", "", ""},
		{"Groesse", "grösse", "", "", ""},
		{"Désignation", "designation", "", "", ""},
	} {
		readings := read(tt.header)
		last := readings[len(readings)-1]
		if last.squeezed != newName(words(tt.name)).squeezed || last.language != tt.language || last.unit != tt.unit || last.currency != tt.currency {
			t.Errorf("%q is read as %q, language %q, unit %q, currency %q", tt.header, last.squeezed, last.language, last.unit, last.currency)
		}
	}
}
