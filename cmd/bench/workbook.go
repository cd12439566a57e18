package main

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The parts of a workbook that do not depend on its cells (ECMA-376).
const (
	contentTypes = xml.Header + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>` +
		`<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>`
	rootRelations = xml.Header + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`
	workbookPart = xml.Header + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" ` +
		`xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Products" sheetId="1" r:id="rId1"/></sheets></workbook>`
	workbookRelations = xml.Header + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>` +
		`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>`
)

// writeShared writes the products as spreadsheet programs do: each text once,
// in a part of its own, numbers as numbers.
func writeShared(path string, rows int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", contentTypes},
		{"_rels/.rels", rootRelations},
		{"xl/workbook.xml", workbookPart},
		{"xl/_rels/workbook.xml.rels", workbookRelations},
	} {
		err = errors.Join(err, writePart(archive, part.name, func(w *bufio.Writer) error {
			_, err := w.WriteString(part.text)
			return err
		}))
	}
	shared := &sharedTexts{places: map[string]int{}}
	err = errors.Join(err,
		writePart(archive, "xl/worksheets/sheet1.xml", func(w *bufio.Writer) error { return writeSheet(w, rows, shared) }),
		writePart(archive, "xl/sharedStrings.xml", shared.write))
	return errors.Join(err, archive.Close(), file.Close())
}

func writePart(archive *zip.Writer, name string, write func(*bufio.Writer) error) error {
	part, err := archive.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(part, 1<<20)
	return errors.Join(write(w), w.Flush())
}

func writeSheet(w *bufio.Writer, rows int, shared *sharedTexts) error {
	columns := productColumns()
	fmt.Fprintf(w, xml.Header+`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:%c%d"/><sheetData>`,
		'A'+len(columns)-1, rows+1)
	random := newRandom()
	row := make([]string, len(columns))
	for i := range rows + 1 {
		copy(row, columns)
		if i > 0 {
			productRow(i-1, random, row)
		}
		fmt.Fprintf(w, `<row r="%d">`, i+1)
		for c, text := range row {
			switch {
			case text == "":
			case i > 0 && isNumber(c, text):
				fmt.Fprintf(w, `<c r="%c%d"><v>%s</v></c>`, 'A'+c, i+1, text)
			default:
				fmt.Fprintf(w, `<c r="%c%d" t="s"><v>%d</v></c>`, 'A'+c, i+1, shared.place(text))
			}
		}
		if _, err := w.WriteString("</row>"); err != nil {
			return err
		}
	}
	_, err := w.WriteString("</sheetData></worksheet>")
	return err
}

// isNumber reports whether a spreadsheet program would hold the cell as a number.
func isNumber(column int, text string) bool {
	return column >= 9 && column <= 12 && strings.Trim(text, "0123456789.") == ""
}

// sharedTexts are the texts of a workbook, each once.
type sharedTexts struct {
	list   []string
	places map[string]int
	used   int
}

func (s *sharedTexts) place(text string) int {
	s.used++
	place, known := s.places[text]
	if !known {
		place = len(s.list)
		text = strings.Clone(text)
		s.list, s.places[text] = append(s.list, text), place
	}
	return place
}

func (s *sharedTexts) write(w *bufio.Writer) error {
	fmt.Fprintf(w, xml.Header+`<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="%d" uniqueCount="%d">`, s.used, len(s.list))
	for _, text := range s.list {
		if _, err := w.WriteString("<si><t>"); err != nil {
			return err
		}
		if err := xml.EscapeText(w, []byte(text)); err != nil {
			return err
		}
		if _, err := w.WriteString("</t></si>"); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</sst>")
	return err
}
