package schemas

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/language"
)

// TemplateColumns returns the columns of a file to fill in: every field in the
// order of declaration, localised ones once for each language given, and one
// member of each open field to show how it is done. Without languages it is
// English.
func (e *Entity) TemplateColumns(languages []string) ([]Column, error) {
	if len(languages) == 0 {
		languages = []string{exampleLanguage}
	}
	for i, tag := range languages {
		if !KnownCode(Languages, tag) {
			return nil, fmt.Errorf("%q is not a language tag such as de or fr-CA%s", tag, CodeHint(Languages, tag))
		}
		if slices.Contains(languages[:i], tag) {
			return nil, fmt.Errorf("language %s is given twice", tag)
		}
	}
	var columns []Column
	for i := range e.Fields {
		f := &e.Fields[i]
		names := []string{f.Name}
		switch {
		case f.Type == LocalisedText:
			names = names[:0]
			for _, tag := range languages {
				names = append(names, f.Name+"."+tag)
			}
		case f.Open:
			names = []string{f.Name + "." + exampleMember}
		}
		for _, name := range names {
			c, err := e.Column(name)
			if err != nil {
				return nil, err
			}
			columns = append(columns, c)
		}
	}
	return columns, nil
}

// TemplateCSV writes a file to fill in: a header, and one row as an example.
// It is UTF-8 with a byte order mark, without which Excel takes it for
// Windows-1252; and its cells are separated as Excel expects it in the first
// language: by a semicolon where the comma stands in numbers.
func (e *Entity) TemplateCSV(w io.Writer, languages []string) error {
	columns, err := e.TemplateColumns(languages)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180
	if len(languages) > 0 && decimalComma(languages[0]) {
		out.Comma = ';'
	}
	header, example := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		header[i], example[i] = c.Name, c.Field.Example
	}
	return out.WriteAll([][]string{header, example})
}

// decimalComma reports whether Excel, set to a language, has the comma in
// numbers and therefore the semicolon in lists.
func decimalComma(tag string) bool {
	t := language.Make(tag)
	base, _ := t.Base()
	region, _ := t.Region()
	switch base.String() {
	case "en", "zh", "ja", "ko", "th", "he", "hi", "ar":
		return false
	case "es":
		return !slices.Contains([]string{"MX", "US", "PR", "GT", "HN", "NI", "SV", "PA", "DO"}, region.String())
	}
	return true
}

// A workbook is an Excel file being written.
type workbook struct {
	*excelize.File
	err error // the first one
}

func (b *workbook) do(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *workbook) style(s *excelize.Style) int {
	id, err := b.NewStyle(s)
	b.do(err)
	return id
}

// The parts of a template as a workbook.
const (
	notesSheet = "Notes"
	lastRow    = 1_048_576 // of a sheet, as Excel has it
)

// TemplateXLSX writes a workbook to fill in. Its first sheet has a header that
// stays in sight, one row as an example and lists to choose from; its second
// documents every column. Columns of text are formatted as text, so that Excel
// turns neither 0017 into 17 nor a part number into a date.
func (e *Entity) TemplateXLSX(w io.Writer, languages []string) error {
	columns, err := e.TemplateColumns(languages)
	if err != nil {
		return err
	}
	b := &workbook{File: excelize.NewFile()}
	defer b.Close() // removes temporary files, of which a small workbook has none
	b.do(b.SetSheetName("Sheet1", e.Plural))
	_, err = b.NewSheet(notesSheet)
	b.do(err)
	b.fillRows(e.Plural, columns)
	b.fillNotes(e, columns)
	if b.err != nil {
		return b.err
	}
	return b.Write(w)
}

// fillRows writes the sheet to fill in.
func (b *workbook) fillRows(sheet string, columns []Column) {
	for i, c := range columns {
		name, err := excelize.ColumnNumberToName(i + 1)
		b.do(err)
		style := b.style(cellStyle(c.Field))
		b.do(b.SetColStyle(sheet, name, style))
		b.do(b.SetColWidth(sheet, name, name, float64(min(max(12, len(c.Name)+3, len(c.Field.Example)+2), 40))))
		b.do(b.SetCellStr(sheet, name+"1", c.Name))
		b.do(b.SetCellStyle(sheet, name+"1", name+"1", b.headerStyle(c.Field)))
		b.setExample(sheet, name+"2", c.Field)
		b.do(b.SetCellStyle(sheet, name+"2", name+"2", style))
		b.addChoice(sheet, name, c.Field)
	}
	b.do(b.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}

// headerStyle is bold; the columns that must be filled are marked by colour,
// since any mark in the text would be part of the name.
func (b *workbook) headerStyle(f *Field) int {
	fill := "E7E6E6" // grey
	if f.Required {
		fill = "FFD966" // amber
	}
	return b.style(&excelize.Style{
		Font: &excelize.Font{Bold: true, Family: "Calibri", Size: 11},
		Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{fill}},
		// The header is text, whatever its column holds.
		NumFmt: textFormat,
	})
}

// Number formats that every workbook has built in (ECMA-376 part 1, 18.8.30).
const (
	wholeFormat = 1  // 0
	textFormat  = 49 // @
)

// cellStyle is how Excel shows, and thereby understands, what is typed.
func cellStyle(f *Field) *excelize.Style {
	switch f.Type {
	case Integer:
		return &excelize.Style{NumFmt: wholeFormat}
	case Date:
		return &excelize.Style{CustomNumFmt: new("yyyy-mm-dd")}
	case Timestamp:
		return &excelize.Style{CustomNumFmt: new("yyyy-mm-dd hh:mm:ss")}
	case Boolean, DecimalType, Money, Quantity:
		return &excelize.Style{}
	case Text, Identifier, Enum, Reference, LocalisedText, List, JSON:
	}
	return &excelize.Style{NumFmt: textFormat}
}

func (b *workbook) setExample(sheet, cell string, f *Field) {
	switch f.Type {
	case Integer, DecimalType, Money, Quantity:
		b.do(b.SetCellDefault(sheet, cell, f.Example)) // the digits as they are, through no float
	case Boolean:
		b.do(b.SetCellBool(sheet, cell, f.Example == "true"))
	case Date, Timestamp:
		at, err := time.Parse(time.RFC3339, f.Example)
		if err != nil {
			at, err = time.Parse(time.DateOnly, f.Example)
		}
		b.do(err)
		b.do(b.SetCellValue(sheet, cell, at.UTC()))
	case Text, Identifier, Enum, Reference, LocalisedText, List, JSON:
		b.do(b.SetCellStr(sheet, cell, f.Example))
	}
}

// addChoice lets the cells of a column be chosen from a list.
func (b *workbook) addChoice(sheet, column string, f *Field) {
	values := f.Values
	if f.Type == Boolean {
		values = []string{"TRUE", "FALSE"}
	}
	if len(values) == 0 {
		return
	}
	choice := excelize.NewDataValidation(true)
	choice.SetSqref(fmt.Sprintf("%s2:%s%d", column, column, lastRow))
	b.do(choice.SetDropList(values))
	choice.SetError(excelize.DataValidationErrorStyleStop, f.Name, "Choose one of: "+strings.Join(values, ", "))
	b.do(b.AddDataValidation(sheet, choice))
}

// fillNotes writes the sheet that documents the columns.
func (b *workbook) fillNotes(e *Entity, columns []Column) {
	bold := b.style(&excelize.Style{Font: &excelize.Font{Bold: true, Family: "Calibri", Size: 11}})
	plain := b.style(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}, NumFmt: textFormat})
	rows := [][]string{
		{e.Doc},
		{"Replace the example in row 2 of the sheet " + e.Plural + ". Columns that you do not need may be deleted: what is not there is kept. An empty cell clears what is there."},
		{},
		{"Column", "Required", "What it holds", "How it is written", "Example"},
	}
	heading := len(rows)
	for _, c := range columns {
		rows = append(rows, []string{c.Name, need(c.Field), describe(c), writtenAs(c.Field), c.Field.Example})
	}
	for r, cells := range rows {
		for i, text := range cells {
			cell, err := excelize.CoordinatesToCellName(i+1, r+1)
			b.do(err)
			b.do(b.SetCellStr(notesSheet, cell, text))
			switch {
			case r+1 == heading:
				b.do(b.SetCellStyle(notesSheet, cell, cell, bold))
			case r+1 > heading:
				b.do(b.SetCellStyle(notesSheet, cell, cell, plain))
			}
		}
	}
	for i, width := range []float64{24, 18, 60, 50, 32} {
		name, err := excelize.ColumnNumberToName(i + 1)
		b.do(err)
		b.do(b.SetColWidth(notesSheet, name, name, width))
	}
}

func need(f *Field) string {
	switch {
	case f.Key && f.Required:
		return "always"
	case f.Required:
		return "for new rows"
	case f.Key:
		return "part of the key"
	}
	return "no"
}

func describe(c Column) string {
	switch {
	case c.Field.Type == LocalisedText:
		return c.Field.Doc + " This column: " + c.Sub + "."
	case c.Field.Open:
		return c.Field.Doc + " Rename this column, or add more."
	}
	return c.Field.Doc
}

// writtenAs tells how the values of a field are written, in words for people.
func writtenAs(f *Field) string {
	var s string
	switch f.Type {
	case Text, LocalisedText, JSON:
		s = "text"
	case Identifier:
		s = "text; leading zeros count"
	case Reference:
		s = "the key of a " + strings.ReplaceAll(f.Entity, "_", " ")
	case Integer:
		s = "whole number"
	case DecimalType, Quantity:
		s = "number with up to 6 digits after the point"
	case Money:
		s = "amount with up to 6 digits after the point"
	case Boolean:
		s = "TRUE or FALSE"
	case Date:
		s = "date"
	case Timestamp:
		s = "date, or date and time (UTC)"
	case Enum:
		s = "one of: " + strings.Join(f.Values, ", ")
	case List:
		s = "texts separated by |"
	}
	if f.MaxChars > 0 {
		s += fmt.Sprintf("; at most %d characters", f.MaxChars)
	}
	if f.Default != "" && f.Type != Timestamp {
		s += "; " + f.Default + " if left out"
	}
	return s
}
