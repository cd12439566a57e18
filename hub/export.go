package hub

import (
	"archive/zip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// The columns that an export of rejected rows adds to those of their file.
const (
	errorsHeader = "_errors"
	rowHeader    = "_row"
	tokenHeader  = "_row_token"
)

// addedHeaders returns what the added columns are called beside those of a
// file: one that has such columns itself, as an export has that a pipeline
// read, keeps them.
func addedHeaders(names []string) []string {
	added := []string{errorsHeader, rowHeader, tokenHeader}
	for i := range added {
		for slices.Contains(names, added[i]) {
			added[i] = "_" + added[i]
		}
	}
	return added
}

// ExportCSV writes rejected rows in the layout of the file they came from,
// with what is wrong, their row number and a token in three more columns, and
// returns how many they are. It begins with a byte order mark, without which
// Excel takes UTF-8 for something else. All rows must be of one layout.
func (h *Hub) ExportCSV(ctx context.Context, w io.Writer, filter journal.ErrorFilter) (int64, error) {
	all, err := h.layouts(ctx, filter)
	if err != nil {
		return 0, err
	}
	tokens, err := h.tokens()
	if err != nil {
		return 0, err
	}
	if n := len(all.list); n > 1 {
		return 0, fmt.Errorf("these errors come from files of %d layouts: choose one with --pipeline or --run, or export xlsx, which has a sheet for each", n)
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return 0, err
	}
	out := csv.NewWriter(w)
	for _, l := range all.list {
		if err := out.Write(csvHeader(l)); err != nil {
			return 0, err
		}
	}
	rows, err := h.export(ctx, filter, all, func(l *layout, r *journal.Row) error { return out.Write(csvRecord(l, r, tokens)) })
	if err != nil {
		return 0, err
	}
	out.Flush()
	return rows, out.Error()
}

// export calls write with each row and its layout, and returns how many there are.
func (h *Hub) export(ctx context.Context, filter journal.ErrorFilter, all *layouts, write func(*layout, *journal.Row) error) (int64, error) {
	rows := int64(0)
	err := h.journal.EachRow(ctx, filter, func(r *journal.Row) error {
		l := all.of(r)
		if l == nil {
			return nil // it has come to fit the filter since the layouts were read
		}
		rows++
		return write(l, r)
	})
	return rows, err
}

func csvHeader(l *layout) []string {
	header := make([]string, 0, len(l.names)+3)
	for _, name := range l.names {
		header = append(header, connectors.Neutral(name))
	}
	return append(header, addedHeaders(l.names)...)
}

func csvRecord(l *layout, r *journal.Row, tokens *tokens) []string {
	record := make([]string, 0, len(l.names)+3)
	cells := r.Shown()
	var quoted []int
	for i := range l.names {
		value := valueAt(cells, i)
		if record = append(record, connectors.Neutral(value)); record[i] != value {
			quoted = append(quoted, i)
		}
	}
	return append(record, connectors.Neutral(strings.Join(messages(l, r), "; ")), fmt.Sprint(r.Place.Row), tokens.of(r, quoted))
}

func valueAt(cells journal.Cells, i int) string {
	if i >= len(cells.Values) {
		return ""
	}
	return textOf(cells.Values[i])
}

// messages says what is wrong with a row, field: message, and what of it the
// columns of the export do not show.
func messages(l *layout, r *journal.Row) []string {
	parts := make([]string, 0, len(r.Findings)+2)
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
	if isCut(r) {
		parts = append(parts, "the row was too large to keep: its cells are cut")
	}
	if len(r.Cells.Values) > len(l.names) {
		beyond := make([]string, 0, len(r.Cells.Values)-len(l.names))
		for i := len(l.names); i < len(r.Cells.Values); i++ {
			beyond = append(beyond, strconv.Quote(valueAt(r.Cells, i)))
		}
		parts = append(parts, "cells beyond the last column: "+strings.Join(beyond, ", "))
	}
	return parts
}

// cutSlack is how much less than its bound may be kept of a row that is cut:
// characters stay whole.
const cutSlack = 16

// isCut tells whether the error queue holds less than the source did.
func isCut(r *journal.Row) bool {
	if r.Cells.Whole {
		return false
	}
	size := cutSlack
	for i := range r.Cells.Values {
		value := valueAt(r.Cells, i)
		if schemas.Shorten(value+".") == value {
			return true
		}
		size += len(value)
	}
	for _, f := range r.Findings {
		size += len(f.Value)
	}
	return size >= connectors.MaxRejectBytes
}

// A layout is the columns that rows of a pipeline share.
type layout struct {
	pipeline string
	names    []string
}

type layouts struct {
	list   []*layout
	byFile map[layoutFile][]*layout
}

type layoutFile struct{ pipeline, resource, part string }

// layouts finds the columns under which rows were read. Rows that could not be
// cut may have any number of cells: theirs are the columns of their file or,
// where no row of it is known that could be, of a file that fits them.
func (h *Hub) layouts(ctx context.Context, filter journal.ErrorFilter) (*layouts, error) {
	shapes, err := h.journal.Shapes(ctx, filter)
	if err != nil {
		return nil, err
	}
	all := &layouts{byFile: map[layoutFile][]*layout{}}
	slices.SortStableFunc(shapes, func(a, b journal.Shape) int { // those that are sure first
		switch {
		case a.Whole == b.Whole:
			return 0
		case a.Whole:
			return -1
		}
		return 1
	})
	for _, s := range shapes {
		file := layoutFile{s.Pipeline, s.Resource, s.Part}
		names := s.Names
		if !s.Whole {
			names = headed(names)
		}
		if fitting(all.byFile[file], names, s.Whole) != nil {
			continue
		}
		same := slices.DeleteFunc(slices.Clone(all.list), func(l *layout) bool { return l.pipeline != s.Pipeline })
		l := fitting(same, names, s.Whole)
		if l == nil {
			l = &layout{pipeline: s.Pipeline, names: names}
			all.list = append(all.list, l)
		}
		all.byFile[file] = append(all.byFile[file], l)
	}
	return all, nil
}

// headed leaves out the names at the end that stand for cells without a header.
func headed(names []string) []string {
	n := len(names)
	for n > 0 && names[n-1] == fmt.Sprintf("column %d", n) {
		n--
	}
	return names[:n]
}

// fitting returns the last layout that has these columns or, for rows that are
// not whole, begins with them.
func fitting(list []*layout, names []string, whole bool) *layout {
	for _, l := range slices.Backward(list) {
		if whole && slices.Equal(l.names, names) || !whole && len(names) <= len(l.names) && slices.Equal(l.names[:len(names)], names) {
			return l
		}
	}
	return nil
}

// of returns the layout of a row, nil where none is known of its file.
func (all *layouts) of(r *journal.Row) *layout {
	known := all.byFile[layoutFile{r.Pipeline, r.Place.Resource, r.Place.Part}]
	if r.Cells.Whole || len(known) == 0 {
		return fitting(known, r.Cells.Names, true)
	}
	if l := fitting(known, headed(r.Cells.Names), false); l != nil {
		return l
	}
	return known[len(known)-1]
}

// ExportXLSX writes rejected rows as a workbook, a sheet for each layout, and
// returns how many they are: the wrong cells are marked, and what is wrong
// stands beside the row. Every cell is text in text format, so that nothing is
// evaluated and leading zeros stay.
func (h *Hub) ExportXLSX(ctx context.Context, w io.Writer, filter journal.ErrorFilter) (int64, error) {
	all, err := h.layouts(ctx, filter)
	if err != nil {
		return 0, err
	}
	tokens, err := h.tokens()
	if err != nil {
		return 0, err
	}
	book, err := newWorkbook(tokens)
	if err != nil {
		return 0, err
	}
	defer book.file.Close()
	rows, err := h.export(ctx, filter, all, book.add)
	if err != nil {
		return 0, err
	}
	return rows, book.writeTo(w)
}

// sheetRows bounds the rows of a sheet, of which Excel opens 1,048,576.
const sheetRows = 1_000_000

// A workbook is an export on its way. Its sheets wait in temporary files.
type workbook struct {
	file      *excelize.File
	styles    exportStyles
	sheetRows int
	count     int // of sheets
	sheets    map[*layout]*sheet
	tokens    *tokens
}

type sheet struct {
	name string
	out  *excelize.StreamWriter
	rows int
}

func newWorkbook(tokens *tokens) (*workbook, error) {
	b := &workbook{file: excelize.NewFile(), sheetRows: sheetRows, sheets: map[*layout]*sheet{}, tokens: tokens}
	var err error
	b.styles, err = newExportStyles(b.file)
	return b, err
}

// add writes a row, on a further sheet when that of its layout is full.
func (b *workbook) add(l *layout, r *journal.Row) error {
	s := b.sheets[l]
	if s == nil || s.rows == b.sheetRows {
		if s != nil {
			if err := s.out.Flush(); err != nil {
				return fmt.Errorf("sheet %s: %w", s.name, err)
			}
		}
		var err error
		if s, err = b.newSheet(l); err != nil {
			return err
		}
		b.sheets[l] = s
	}
	s.rows++
	if err := s.out.SetRow(fmt.Sprintf("A%d", s.rows+1), b.sheetRow(l, r)); err != nil {
		return fmt.Errorf("sheet %s: %w", s.name, err)
	}
	return nil
}

// writeTo ends the sheets and writes the workbook.
func (b *workbook) writeTo(w io.Writer) error {
	if b.count == 0 {
		if _, err := b.newSheet(&layout{pipeline: "errors"}); err != nil {
			return err
		}
	}
	for _, s := range b.sheets {
		if err := s.out.Flush(); err != nil {
			return fmt.Errorf("sheet %s: %w", s.name, err)
		}
	}
	// excelize would pack the whole of it in memory first.
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) })
	return b.file.Write(w)
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
		{&s.head, excelize.Style{NumFmt: textFormat, Font: font(&excelize.Font{Bold: true}), Fill: fill("D9E1F2")}},
		{&s.text, excelize.Style{NumFmt: textFormat}},
		{&s.wrong, excelize.Style{NumFmt: textFormat, Font: font(&excelize.Font{Color: "9C0006"}), Fill: fill("FFC7CE")}},
		{&s.warned, excelize.Style{NumFmt: textFormat, Font: font(&excelize.Font{Color: "7F6000"}), Fill: fill("FFEB9C")}},
		{&s.note, excelize.Style{NumFmt: textFormat, Font: font(&excelize.Font{Color: "9C0006"})}},
	} {
		id, err := book.NewStyle(&style.style)
		if err != nil {
			return s, err
		}
		*style.id = id
	}
	return s, nil
}

// font gives a font the family and size of the cells without a style, which
// it would lose otherwise.
func font(f *excelize.Font) *excelize.Font {
	f.Family, f.Size = "Calibri", 11
	return f
}

func fill(colour string) excelize.Fill {
	return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{colour}}
}

// newSheet begins a sheet with its header.
func (b *workbook) newSheet(l *layout) (*sheet, error) {
	s := &sheet{name: sheetName(l.pipeline, b.count)}
	var err error
	if b.count == 0 {
		err = b.file.SetSheetName("Sheet1", s.name)
	} else {
		_, err = b.file.NewSheet(s.name)
	}
	if err != nil {
		return nil, err
	}
	b.count++
	if s.out, err = b.file.NewStreamWriter(s.name); err != nil {
		return nil, fmt.Errorf("sheet %s: %w", s.name, err)
	}
	b.sheets[l] = s
	return s, writeHead(s.out, l, b.styles)
}

func writeHead(out *excelize.StreamWriter, l *layout, styles exportStyles) error {
	notes := len(l.names) + 1
	if err := out.SetColWidth(1, max(len(l.names), 1), 18); err != nil {
		return err
	}
	if err := out.SetColWidth(notes, notes, 80); err != nil {
		return err
	}
	// The token is for programs, and in the way of people.
	if err := out.SetColVisible(notes+2, notes+2, false); err != nil {
		return err
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	head := make([]any, 0, len(l.names)+3)
	for _, name := range append(slices.Clone(l.names), addedHeaders(l.names)...) {
		head = append(head, excelize.Cell{StyleID: styles.head, Value: name})
	}
	return out.SetRow("A1", head)
}

func (b *workbook) sheetRow(l *layout, r *journal.Row) []any {
	styles := b.styles
	cells := make([]any, 0, len(l.names)+3)
	mended := r.Shown()
	notes := messages(l, r)
	for i, name := range l.names {
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
		value, whole := fitCell(valueAt(mended, i))
		if !whole {
			notes = slices.Insert(notes, 0, fmt.Sprintf("%s: is cut here, as a workbook takes %d characters a cell", name, excelize.TotalCellChars))
		}
		cells = append(cells, excelize.Cell{StyleID: style, Value: value})
	}
	note, _ := fitCell(strings.Join(notes, "; "))
	return append(cells,
		excelize.Cell{StyleID: styles.note, Value: note},
		excelize.Cell{StyleID: styles.text, Value: fmt.Sprint(r.Place.Row)},
		excelize.Cell{StyleID: styles.text, Value: b.tokens.of(r, nil)})
}

// fitCell cuts a text to what a cell of a workbook takes, and shows the cut.
func fitCell(text string) (_ string, whole bool) {
	if len(text) <= excelize.TotalCellChars {
		return text, true
	}
	units := utf16.Encode([]rune(text))
	if len(units) <= excelize.TotalCellChars {
		return text, true
	}
	return string(utf16.Decode(units[:excelize.TotalCellChars-2])) + "…", false // a pair cut in two becomes one character
}
