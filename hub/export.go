package hub

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"crossdock/hub/journal"
	"crossdock/schemas"
)

// The columns that an export of rejected rows adds to those of their file.
const (
	errorsHeader = "_errors"
	rowHeader    = "_row"
)

// ExportCSV writes rejected rows in the layout of the file they came from,
// with what is wrong and their row number in two more columns. It begins with
// a byte order mark, without which Excel takes UTF-8 for something else. All
// rows must be of one layout.
func ExportCSV(w io.Writer, rows []*journal.Row) error {
	layouts := layoutsOf(rows)
	if len(layouts) > 1 {
		return fmt.Errorf("these errors come from files of %d layouts: choose one with --pipeline or --run, or export xlsx, which has a sheet for each", len(layouts))
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	for _, l := range layouts {
		if err := out.Write(append(slices.Clone(l.names), errorsHeader, rowHeader)); err != nil {
			return err
		}
		for _, r := range l.rows {
			if err := out.Write(csvRecord(l, r)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func csvRecord(l *layout, r exported) []string {
	record := make([]string, 0, len(l.names)+2)
	for i := range l.names {
		record = append(record, neutral(r.value(i)))
	}
	return append(record, neutral(messages(r.Row)), fmt.Sprint(r.Place.Row))
}

// neutral keeps spreadsheet programs from taking text for a formula (CWE-1236).
// A number may begin with a sign; anything else that does is quoted by an
// apostrophe.
func neutral(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if _, err := schemas.ParseDecimal(strings.ReplaceAll(s, ",", ".")); err == nil {
		return s
	}
	return "'" + s
}

// messages joins what is wrong with a row: field: message; field: message.
func messages(r *journal.Row) string {
	parts := make([]string, 0, len(r.Findings))
	for _, f := range r.Findings {
		field := f.Field
		if f.Header != "" {
			field = f.Header
		}
		if field != "" {
			field += ": "
		}
		parts = append(parts, field+f.Message)
	}
	return strings.Join(parts, "; ")
}

// A layout is a set of rows that share their columns.
type layout struct {
	pipeline string
	names    []string
	rows     []exported
}

type exported struct{ *journal.Row }

func (r exported) value(i int) string {
	if i >= len(r.Cells.Values) || r.Cells.Values[i] == nil {
		return ""
	}
	return *r.Cells.Values[i]
}

// layoutsOf sorts rows by the columns they were read under. Rows that could
// not be cut, and so may have any number of cells, join those of their file.
func layoutsOf(rows []*journal.Row) []*layout {
	var layouts []*layout
	find := func(r *journal.Row) *layout {
		for _, l := range layouts {
			if l.pipeline == r.Pipeline && (slices.Equal(l.names, r.Cells.Names) || !r.Cells.Whole) {
				return l
			}
		}
		return nil
	}
	ordered := slices.Clone(rows)
	slices.SortStableFunc(ordered, func(a, b *journal.Row) int { // whole rows first: they know the columns
		switch {
		case a.Cells.Whole == b.Cells.Whole:
			return 0
		case a.Cells.Whole:
			return -1
		}
		return 1
	})
	for _, r := range ordered {
		l := find(r)
		if l == nil {
			l = &layout{pipeline: r.Pipeline, names: r.Cells.Names}
			layouts = append(layouts, l)
		}
		l.rows = append(l.rows, exported{r})
	}
	for _, l := range layouts {
		slices.SortStableFunc(l.rows, func(a, b exported) int { return int(a.Place.Row - b.Place.Row) })
	}
	return layouts
}

// ExportXLSX writes rejected rows as a workbook, a sheet for each layout: the
// wrong cells are marked, and what is wrong stands beside the row. Every cell
// is text in text format, so that nothing is evaluated and leading zeros stay.
func ExportXLSX(w io.Writer, rows []*journal.Row) error {
	book := excelize.NewFile()
	defer book.Close()
	styles, err := newExportStyles(book)
	if err != nil {
		return err
	}
	layouts := layoutsOf(rows)
	if len(layouts) == 0 {
		layouts = []*layout{{pipeline: "errors"}}
	}
	for i, l := range layouts {
		sheet := sheetName(l.pipeline, i)
		if i == 0 {
			err = book.SetSheetName("Sheet1", sheet)
		} else {
			_, err = book.NewSheet(sheet)
		}
		if err != nil {
			return err
		}
		if err := writeSheet(book, sheet, l, styles); err != nil {
			return fmt.Errorf("sheet %s: %w", sheet, err)
		}
	}
	return book.Write(w)
}

// sheetName keeps within the 31 characters that a sheet's name may have.
func sheetName(pipeline string, i int) string {
	if i > 0 {
		pipeline = fmt.Sprintf("%d %s", i+1, pipeline)
	}
	return pipeline[:min(len(pipeline), 31)]
}

type exportStyles struct{ head, text, wrong, warned, note int }

func newExportStyles(book *excelize.File) (exportStyles, error) {
	const textFormat = 49 // "@": neither evaluated nor reformatted when edited
	var s exportStyles
	for _, style := range []struct {
		id    *int
		style excelize.Style
	}{
		{&s.head, excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Bold: true}, Fill: fill("D9E1F2")}},
		{&s.text, excelize.Style{NumFmt: textFormat}},
		{&s.wrong, excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Color: "9C0006"}, Fill: fill("FFC7CE")}},
		{&s.warned, excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Color: "7F6000"}, Fill: fill("FFEB9C")}},
		{&s.note, excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Color: "9C0006"}}},
	} {
		id, err := book.NewStyle(&style.style)
		if err != nil {
			return s, err
		}
		*style.id = id
	}
	return s, nil
}

func fill(colour string) excelize.Fill {
	return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{colour}}
}

func writeSheet(book *excelize.File, sheet string, l *layout, styles exportStyles) error {
	out, err := book.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	notes := len(l.names) + 1
	if err := out.SetColWidth(1, max(len(l.names), 1), 18); err != nil {
		return err
	}
	if err := out.SetColWidth(notes, notes, 80); err != nil {
		return err
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	head := make([]any, 0, len(l.names)+2)
	for _, name := range append(slices.Clone(l.names), errorsHeader, rowHeader) {
		head = append(head, excelize.Cell{StyleID: styles.head, Value: name})
	}
	if err := out.SetRow("A1", head); err != nil {
		return err
	}
	for i, r := range l.rows {
		if err := out.SetRow(fmt.Sprintf("A%d", i+2), sheetRow(l, r, styles)); err != nil {
			return err
		}
	}
	return out.Flush()
}

func sheetRow(l *layout, r exported, styles exportStyles) []any {
	cells := make([]any, 0, len(l.names)+2)
	for i := range l.names {
		style := styles.text
		for _, f := range r.Findings {
			switch {
			case f.Position != i:
			case f.Severity == schemas.Reject:
				style = styles.wrong
			case style == styles.text:
				style = styles.warned
			}
		}
		cells = append(cells, excelize.Cell{StyleID: style, Value: r.value(i)})
	}
	return append(cells,
		excelize.Cell{StyleID: styles.note, Value: messages(r.Row)},
		excelize.Cell{StyleID: styles.text, Value: fmt.Sprint(r.Place.Row)})
}
