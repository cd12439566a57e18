package schemas

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

func TestTemplateColumnsFollowTheLanguages(t *testing.T) {
	product, err := Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	names := func(languages ...string) []string {
		columns, err := product.TemplateColumns(languages)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range columns {
			names = append(names, c.Name)
		}
		return names
	}
	if got := names(); !slices.Contains(got, "name.en") || slices.Contains(got, "name.de") {
		t.Errorf("without languages: %v", got)
	}
	got := names("de", "fr-CA")
	for _, want := range []string{"sku", "name.de", "name.fr-CA", "description.de", "attributes.colour", "deleted"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %v", want, got)
		}
	}
	for _, tt := range []struct {
		languages []string
		want      string
	}{
		{[]string{"german"}, `"german" is not a language tag such as de or fr-CA, did you mean de?`},
		{[]string{"de_DE"}, `"de_DE" is not a language tag such as de or fr-CA, did you mean de-DE?`},
		{[]string{"xx"}, `"xx" is not a language tag such as de or fr-CA`},
		{[]string{"de", "de"}, "language de is given twice"},
	} {
		if _, err := product.TemplateColumns(tt.languages); errText(err) != tt.want {
			t.Errorf("TemplateColumns(%v): %v, want %s", tt.languages, err, tt.want)
		}
		if err := product.TemplateCSV(&bytes.Buffer{}, tt.languages); errText(err) != tt.want {
			t.Errorf("TemplateCSV(%v): %v", tt.languages, err)
		}
		if err := product.TemplateXLSX(&bytes.Buffer{}, tt.languages); errText(err) != tt.want {
			t.Errorf("TemplateXLSX(%v): %v", tt.languages, err)
		}
	}
}

// checkFilled holds what was read back from a template to its columns.
func checkFilled(t *testing.T, e *Entity, languages []string, rows [][]string) {
	t.Helper()
	columns, err := e.TemplateColumns(languages)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 {
		t.Fatalf("%s: %d rows, want a header and an example", e.Name, len(rows))
	}
	for i, c := range columns {
		back, err := e.Column(rows[0][i])
		if err != nil || back.Name != c.Name || back.Field != c.Field || back.Sub != c.Sub {
			t.Errorf("%s: header %q is read back as %+v, %v", e.Name, rows[0][i], back, err)
		}
		if !sameValue(t, c.Field, rows[1][i]) {
			t.Errorf("%s.%s: the example %q is read back as %q", e.Name, c.Name, c.Field.Example, rows[1][i])
		}
	}
}

func sameValue(t *testing.T, f *Field, text string) bool {
	t.Helper()
	if err := parseExample(t, f, text); err != nil {
		t.Errorf("%s: %q: %v", f.Name, text, err)
	}
	if slices.Contains([]Type{Integer, DecimalType, Money, Quantity}, f.Type) {
		return must(t, text) == must(t, f.Example)
	}
	return text == f.Example
}

func TestTemplateCSVIsReadBack(t *testing.T) {
	for _, e := range Default().Entities() {
		for separator, languages := range map[string][]string{",": nil, ";": {"de", "en"}} {
			var file bytes.Buffer
			if err := e.TemplateCSV(&file, languages); err != nil {
				t.Fatal(err)
			}
			text, marked := strings.CutPrefix(file.String(), "\uFEFF")
			if !marked || !strings.HasSuffix(text, "\r\n") {
				t.Errorf("%s: neither byte order mark nor line ends are what Excel reads: %q", e.Name, text)
			}
			reader := csv.NewReader(strings.NewReader(text))
			reader.Comma = rune(separator[0])
			rows, err := reader.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			checkFilled(t, e, languages, rows)
		}
	}
}

func TestDecimalComma(t *testing.T) {
	for tag, want := range map[string]bool{"en": false, "en-GB": false, "de": true, "fr-CA": true, "es": true, "es-MX": false, "nl": true, "ja": false} {
		if got := decimalComma(tag); got != want {
			t.Errorf("decimalComma(%s) = %t", tag, got)
		}
	}
}

type fullDisk struct{ room int }

func (w *fullDisk) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestTemplatesReportWhatCannotBeWritten(t *testing.T) {
	product, err := Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 3, 100} {
		if err := product.TemplateCSV(&fullDisk{room}, nil); err == nil {
			t.Errorf("CSV with room for %d bytes: no error", room)
		}
		if err := product.TemplateXLSX(&fullDisk{room}, nil); err == nil {
			t.Errorf("XLSX with room for %d bytes: no error", room)
		}
	}
}

func openTemplate(t *testing.T, e *Entity, languages []string) *excelize.File {
	t.Helper()
	var file bytes.Buffer
	if err := e.TemplateXLSX(&file, languages); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestTemplateXLSXIsReadBack(t *testing.T) {
	for _, e := range Default().Entities() {
		languages := []string{"de", "en"}
		f := openTemplate(t, e, languages)
		if sheets := f.GetSheetList(); !slices.Equal(sheets, []string{e.Plural, "Notes"}) {
			t.Errorf("%s: sheets %v", e.Name, sheets)
		}
		rows, err := f.GetRows(e.Plural)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%s: %d rows, %v", e.Name, len(rows), err)
		}
		for i, name := range rows[0] {
			c, err := e.Column(name)
			if err != nil {
				t.Errorf("%s: header %q: %v", e.Name, name, err)
				continue
			}
			rows[1][i] = asReadersSee(c.Field, rows[1][i])
		}
		checkFilled(t, e, languages, rows)
		notes, err := f.GetRows("Notes")
		if err != nil || len(notes) != 4+len(rows[0]) {
			t.Errorf("%s: %d rows of notes for %d columns, %v", e.Name, len(notes), len(rows[0]), err)
		}
		for i, name := range rows[0] {
			if note := notes[4+i]; note[0] != name || len(note) != 5 || note[2] == "" || note[3] == "" {
				t.Errorf("%s: note %d is %q", e.Name, i, note)
			}
		}
	}
}

// asReadersSee turns a typed cell, as Excel shows it, into the text that a
// reader of workbooks makes of it.
func asReadersSee(f *Field, shown string) string {
	if f.Type == Boolean {
		return strings.ToLower(shown)
	}
	if f.Type != Timestamp {
		return shown
	}
	iso := strings.Replace(shown, " ", "T", 1) + "Z"
	if len(f.Example) == len("2026-01-01") {
		iso = strings.TrimSuffix(iso, "T00:00:00Z")
	}
	return iso
}

func TestTemplateXLSXHelpsToFillItIn(t *testing.T) {
	product, err := Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	f := openTemplate(t, product, []string{"de"})
	columns, err := product.TemplateColumns([]string{"de"})
	if err != nil {
		t.Fatal(err)
	}
	styleOf := func(cell string) *excelize.Style {
		id, err := f.GetCellStyle("products", cell)
		if err != nil {
			t.Fatal(err)
		}
		style, err := f.GetStyle(id)
		if err != nil {
			t.Fatal(err)
		}
		return style
	}
	fills := map[bool]string{}
	for i, c := range columns {
		column, _ := excelize.ColumnNumberToName(i + 1)
		header := styleOf(column + "1")
		if header.Font == nil || !header.Font.Bold {
			t.Errorf("%s: the header is not bold", c.Name)
		}
		fills[c.Field.Required] = header.Fill.Color[0]
		text := slices.Contains([]Type{Text, Identifier, Reference, Enum, LocalisedText, List, JSON}, c.Field.Type)
		for _, cell := range []string{column + "2", column + "5000"} {
			if style := styleOf(cell); text != (style.NumFmt == textFormat) {
				t.Errorf("%s (%s): number format %d", cell, c.Name, style.NumFmt)
			}
		}
	}
	if fills[true] == fills[false] {
		t.Errorf("required columns are not marked: %v", fills)
	}
	panes, err := f.GetPanes("products")
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("the header is not frozen: %+v, %v", panes, err)
	}
	choices, err := f.GetDataValidations("products")
	if err != nil || len(choices) != 3 {
		t.Fatalf("%d lists to choose from, want those of status, tax_class and deleted, %v", len(choices), err)
	}
	if got := choices[0].Formula1; got != `"draft,active,inactive,discontinued"` {
		t.Errorf("status is chosen from %s", got)
	}
}

func TestWrittenAsKnowsEveryType(t *testing.T) {
	for _, kind := range types() {
		f := Field{Type: kind, Entity: "price_list", Values: []string{"a", "b"}, MaxChars: 9, Default: "a"}
		if got := writtenAs(&f); strings.HasPrefix(got, ";") {
			t.Errorf("%s is written as %q", kind, got)
		}
	}
	f := Field{Type: Reference, Entity: "price_list", MaxChars: 100}
	if got := writtenAs(&f); got != "the key of a price list; at most 100 characters" {
		t.Errorf("a reference is written as %q", got)
	}
}
