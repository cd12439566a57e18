package excel

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Format describes the workbooks that the sink writes. Texts are formatted as
// text, so that they are neither evaluated nor turned into dates when someone
// edits them; numbers are numbers as long as the program keeps their digits.
func Format() connectors.Format {
	return connectors.Format{
		Name: "xlsx", Doc: "A workbook; after 1,000,000 rows a further sheet.", Extension: ".xlsx", Packed: true,
		MediaType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		Create:    create,
	}
}

const (
	// sinkRows bounds the rows of a sheet, of which Excel opens 1,048,576.
	sinkRows = 1_000_000
	// exactDigits is how many digits of a number spreadsheet programs keep.
	exactDigits = 15
	textFormat  = 49 // "@", built in: ECMA-376 Part 1, 18.8.30
)

type sink struct {
	w          io.Writer
	layout     connectors.Layout
	book       *excelize.File
	head, text int // styles
	limit      int // rows of a sheet

	sheets int
	rows   int // of the sheet at hand, its header not counted
	out    *excelize.StreamWriter
	cells  []any
}

func create(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
	s := &sink{w: w, layout: l, book: excelize.NewFile(), limit: sinkRows, cells: make([]any, len(l.Columns))}
	var err error
	s.head, err = s.book.NewStyle(&excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Bold: true, Family: "Calibri", Size: 11}})
	if err == nil {
		s.text, err = s.book.NewStyle(&excelize.Style{NumFmt: textFormat})
	}
	if err == nil {
		err = s.newSheet()
	}
	if err != nil {
		_ = s.book.Close()
		return nil, err
	}
	return s, nil
}

// newSheet ends the sheet at hand and begins the next with its header.
func (s *sink) newSheet() error {
	name := s.layout.Entity.Plural
	var err error
	if s.sheets == 0 {
		err = s.book.SetSheetName("Sheet1", name)
	} else {
		if err = s.out.Flush(); err != nil {
			return err
		}
		name += " " + strconv.Itoa(s.sheets+1)
		_, err = s.book.NewSheet(name)
	}
	if err != nil {
		return err
	}
	if s.out, err = s.book.NewStreamWriter(name); err != nil {
		return err
	}
	s.sheets++
	s.rows = 0
	if err := s.out.SetColWidth(1, len(s.cells), 18); err != nil {
		return err
	}
	if err := s.out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	head := make([]any, len(s.cells))
	for i, c := range s.layout.Columns {
		head[i] = excelize.Cell{StyleID: s.head, Value: c.Name}
	}
	return s.out.SetRow("A1", head)
}

// Write writes rows, and refuses those of which a cell is longer than a
// workbook takes.
func (s *sink) Write(ctx context.Context, b *schemas.Batch) (refused []schemas.Rejection, err error) {
	n := 0
	b.Each(func(row int) bool {
		if n++; n%1000 == 1 && ctx.Err() != nil {
			err = ctx.Err()
			return false
		}
		for i := range s.cells {
			if fault := s.fill(b, i, row); fault != nil {
				refused = append(refused, *fault)
				return true
			}
		}
		err = s.writeRow()
		return err == nil
	})
	return refused, err
}

func (s *sink) writeRow() error {
	if s.rows == s.limit {
		if err := s.newSheet(); err != nil {
			return err
		}
	}
	s.rows++
	return s.out.SetRow("A"+strconv.Itoa(s.rows+1), s.cells)
}

// fill sets one cell of the row at hand.
func (s *sink) fill(b *schemas.Batch, column, row int) *schemas.Rejection {
	text, ok := b.Text(column, row)
	if !ok {
		s.cells[column] = nil
		return nil
	}
	switch b.Columns[column].Field.Type {
	case schemas.Boolean:
		s.cells[column] = text == "true"
		return nil
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity:
		if len(strings.Trim(text, "-.")) <= exactDigits {
			if number, err := strconv.ParseFloat(text, 64); err == nil {
				s.cells[column] = number
				return nil
			}
		}
	default:
	}
	if length := units(text); length > excelize.TotalCellChars {
		return &schemas.Rejection{
			Row: row, Field: b.Columns[column].Name, Rule: "cell", Severity: schemas.Reject, Value: schemas.Shorten(text),
			Message: fmt.Sprintf("has %d characters, and a cell of a workbook takes %d", length, excelize.TotalCellChars),
		}
	}
	s.cells[column] = excelize.Cell{StyleID: s.text, Value: text}
	return nil
}

// units counts characters as workbooks do.
func units(text string) int {
	if len(text) <= excelize.TotalCellChars {
		return len(text) // at most as many
	}
	return len(utf16.Encode([]rune(text)))
}

// Finish ends the sheets and writes the workbook.
func (s *sink) Finish() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	// The library would pack the whole of it in memory first.
	s.book.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(s.w) })
	return s.book.Write(s.w)
}

// Close removes the temporary files that sheets have waited in.
func (s *sink) Close() error { return s.book.Close() }
