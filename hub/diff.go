package hub

import (
	"archive/zip"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Kinds count the rows that were applied by what was done to them.
type Kinds struct {
	Created int64 `json:"created,omitempty"`
	Updated int64 `json:"updated,omitempty"`
	Deleted int64 `json:"deleted,omitempty"`
}

func (k *Kinds) add(o schemas.Outcome) {
	k.Created += int64(o.Created)
	k.Updated += int64(o.Updated)
	k.Deleted += int64(o.Deleted)
}

// A Change is one field that a run would change.
type Change struct {
	Origin   string // where the row stands, such as prices.csv:17
	Entity   string
	Key      string
	Kind     string // create, update, delete or deactivate
	Field    string
	Old, New *string // as people write them; nil is none
}

// diff passes on what a batch would change.
func (x *execution) diff(one *processed, differences []schemas.Difference) error {
	for _, d := range differences {
		origin := one.batch.Origin.Place(one.batch.Origin.Rows[d.Row], -1, "").String()
		if err := x.changes(one.result.Batch, d, origin); err != nil {
			return err
		}
	}
	return nil
}

// changes passes on what a row would change.
func (x *execution) changes(b *schemas.Batch, d schemas.Difference, origin string) error {
	for _, f := range d.Fields {
		c := Change{Origin: origin, Entity: b.Entity.Name, Key: b.KeyText(d.Row), Kind: d.Kind, Field: f.Column, Old: f.Old, New: f.New}
		if err := x.options.Diff(c); err != nil {
			return err
		}
	}
	return nil
}

// A DiffFile is a file of changes on its way, a line for each.
type DiffFile struct {
	write func(record []string) error
	close func() error
}

func diffHeader() []string { return []string{"origin", "entity", "key", "kind", "field", "old", "new"} }

// NewDiffFile begins a file in the format csv or xlsx, which Close ends.
func NewDiffFile(w io.Writer, format string) (*DiffFile, error) {
	if format == "xlsx" {
		return newDiffWorkbook(w, sheetRows)
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil { // without which Excel takes UTF-8 for something else
		return nil, err
	}
	out := csv.NewWriter(w)
	f := &DiffFile{
		write: func(record []string) error {
			for i, cell := range record {
				record[i] = connectors.Neutral(cell)
			}
			return out.Write(record)
		},
		close: func() error {
			out.Flush()
			return out.Error()
		},
	}
	return f, f.write(diffHeader())
}

// Add writes a change.
func (f *DiffFile) Add(c Change) error {
	return f.write([]string{c.Origin, c.Entity, c.Key, c.Kind, c.Field, *cmp.Or(c.Old, new(string)), *cmp.Or(c.New, new(string))})
}

// Close ends the file, but not what it is written to.
func (f *DiffFile) Close() error { return f.close() }

// A diffWorkbook is a workbook of as many sheets as the changes need.
type diffWorkbook struct {
	file   *excelize.File
	styles exportStyles
	out    *excelize.StreamWriter
	limit  int // rows of a sheet
	rows   int
	sheets int
}

func newDiffWorkbook(w io.Writer, limit int) (*DiffFile, error) {
	b := &diffWorkbook{file: excelize.NewFile(), limit: limit}
	var err error
	if b.styles, err = newExportStyles(b.file); err != nil {
		return nil, err
	}
	if err := b.nextSheet(); err != nil {
		return nil, err
	}
	return &DiffFile{write: b.add, close: func() error { return b.writeTo(w) }}, nil
}

func (b *diffWorkbook) nextSheet() error {
	if b.out != nil {
		if err := b.out.Flush(); err != nil {
			return err
		}
	}
	name := sheetName("changes", b.sheets)
	var err error
	if b.sheets == 0 {
		err = b.file.SetSheetName("Sheet1", name)
	} else {
		_, err = b.file.NewSheet(name)
	}
	if err != nil {
		return err
	}
	b.sheets, b.rows = b.sheets+1, 0
	if b.out, err = b.file.NewStreamWriter(name); err != nil {
		return err
	}
	if err := b.out.SetColWidth(1, len(diffHeader()), 24); err != nil {
		return err
	}
	if err := b.out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	return b.out.SetRow("A1", cells(diffHeader(), b.styles.head))
}

func (b *diffWorkbook) add(record []string) error {
	if b.rows == b.limit {
		if err := b.nextSheet(); err != nil {
			return err
		}
	}
	b.rows++
	return b.out.SetRow(fmt.Sprintf("A%d", b.rows+1), cells(record, b.styles.text))
}

func (b *diffWorkbook) writeTo(w io.Writer) error {
	defer b.file.Close()
	if err := b.out.Flush(); err != nil {
		return err
	}
	// excelize would pack the whole of it in memory first.
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) })
	return b.file.Write(w)
}

// cells makes a row of text cells, which are never evaluated.
func cells(texts []string, style int) []any {
	row := make([]any, len(texts))
	for i, text := range texts {
		value, _ := fitCell(text)
		row[i] = excelize.Cell{StyleID: style, Value: value}
	}
	return row
}
