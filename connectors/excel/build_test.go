package excel

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
)

// A bookFile is one part of a workbook that a test writes by hand.
type bookFile struct{ name, content string }

const (
	xmlHead  = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainNS   = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`
	relTypes = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
)

// A rawBook is a workbook of which each part can be written as a test wants.
type rawBook struct {
	sheets   []string // XML
	names    []string // Sheet1, Sheet2, ...
	states   []string // hidden, veryHidden
	shared   string   // XML of sst
	styles   string   // XML of styleSheet
	date1904 bool
	extra    []bookFile // replaces a part of the same name
}

func sheetXML(rows string) string {
	return xmlHead + `<worksheet ` + mainNS + `><dimension ref="A1"/><sheetViews><sheetView workbookViewId="0"/></sheetViews><sheetData>` +
		rows + `</sheetData><pageMargins left="0.7" right="0.7"/></worksheet>`
}

func sst(items ...string) string {
	var b strings.Builder
	b.WriteString(xmlHead + `<sst ` + mainNS + `>`)
	for _, item := range items {
		b.WriteString("<si>" + item + "</si>")
	}
	return b.String() + "</sst>"
}

// texts is a row of inline texts, as some programs write them.
func texts(row int, cells ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, row)
	for i, c := range cells {
		if c != "" {
			fmt.Fprintf(&b, `<c r="%s" t="inlineStr"><is><t>%s</t></is></c>`, connectors.CellAddress(i, int64(row)), c)
		}
	}
	return b.String() + `</row>`
}

// numbers is a row of numbers; "" leaves one out.
func numbers(row int, cells ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, row)
	for i, c := range cells {
		if c != "" {
			fmt.Fprintf(&b, `<c r="%s"><v>%s</v></c>`, connectors.CellAddress(i, int64(row)), c)
		}
	}
	return b.String() + `</row>`
}

func (b rawBook) parts() []bookFile {
	var sheets, rels strings.Builder
	files := []bookFile{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`},
		{"_rels/.rels", xmlHead + `<Relationships><Relationship Id="rId1" Type="` + relTypes + `officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	}
	for i, content := range b.sheets {
		name, state := fmt.Sprintf("Sheet%d", i+1), ""
		if i < len(b.names) {
			name = b.names[i]
		}
		if i < len(b.states) && b.states[i] != "" {
			state = ` state="` + b.states[i] + `"`
		}
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d"%s r:id="rId%d"/>`, name, i+1, state, i+1)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="%sworksheet" Target="worksheets/sheet%d.xml"/>`, i+1, relTypes, i+1)
		files = append(files, bookFile{fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), content})
	}
	if b.shared != "" {
		rels.WriteString(`<Relationship Id="rIdS" Type="` + relTypes + `sharedStrings" Target="sharedStrings.xml"/>`)
		files = append(files, bookFile{"xl/sharedStrings.xml", b.shared})
	}
	if b.styles != "" {
		rels.WriteString(`<Relationship Id="rIdT" Type="` + relTypes + `styles" Target="/xl/styles.xml"/>`)
		files = append(files, bookFile{"xl/styles.xml", b.styles})
	}
	properties := ""
	if b.date1904 {
		properties = `<workbookPr date1904="1"/>`
	}
	files = append(files,
		bookFile{"xl/workbook.xml", xmlHead + `<workbook ` + mainNS + `>` + properties + `<sheets>` + sheets.String() + `</sheets></workbook>`},
		bookFile{"xl/_rels/workbook.xml.rels", xmlHead + `<Relationships>` + rels.String() + `</Relationships>`})
	for _, e := range b.extra {
		at := -1
		for i, f := range files {
			if f.name == e.name {
				at = i
			}
		}
		if at >= 0 {
			files[at] = e
		} else {
			files = append(files, e)
		}
	}
	return files
}

func (b rawBook) bytes(t testing.TB) []byte {
	t.Helper()
	return zipped(t, b.parts())
}

// stored packs without compressing, for texts that would be taken for bombs.
func (b rawBook) stored(t testing.TB) []byte {
	t.Helper()
	return packed(t, b.parts(), zip.Store)
}

func zipped(t testing.TB, files []bookFile) []byte {
	t.Helper()
	return packed(t, files, zip.Deflate)
}

func packed(t testing.TB, files []bookFile, method uint16) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		p, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		if err == nil {
			_, err = io.WriteString(p, f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// written puts content into a file of its own folder.
func written(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// saved lets excelize write a workbook that a test has built with it.
func saved(t testing.TB, build func(f *excelize.File) error) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	if err := build(f); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "book.xlsx")
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// sourceOf makes a source over a path, with settings in pairs of name and value.
func sourceOf(t testing.TB, path string, settings ...any) connectors.Source {
	t.Helper()
	values := map[string]any{"path": filepath.Base(path)}
	for i := 0; i < len(settings); i += 2 {
		values[settings[i].(string)] = settings[i+1]
	}
	src, err := Type().New(values, connectors.Env{Dir: filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// A got is all that came out of a source.
type got struct {
	columns []string
	rows    []string // number: cell|cell, with ~ for null and a letter for the kind
	rejects []string // address rule: message
	skipped int
	batches []*connectors.Batch
}

func read(t testing.TB, src connectors.Source, req connectors.ReadRequest) (got, error) {
	t.Helper()
	var g got
	r, err := src.Open(t.Context(), req)
	if err != nil {
		return g, err
	}
	defer r.Close()
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return g, err
		}
		g.add(b)
	}
}

func (g *got) add(b *connectors.Batch) {
	g.batches = append(g.batches, b)
	g.skipped += b.Skipped
	g.columns = g.columns[:0]
	for _, f := range b.Rows.Schema().Fields() {
		g.columns = append(g.columns, f.Name)
	}
	for row, number := range b.Origin.Rows {
		cells := make([]string, len(g.columns))
		for c := range cells {
			cells[c] = "~"
			if column := b.Rows.Column(c); column.IsValid(row) {
				cells[c] = column.ValueStr(row) + [...]string{"", "#", "?", "@", "!"}[b.KindOf(c, row)]
			}
		}
		g.rows = append(g.rows, fmt.Sprintf("%d: %s", number, strings.Join(cells, "|")))
	}
	for _, r := range b.Rejects {
		place := b.Origin.Place(r.Row, r.Column, "")
		g.rejects = append(g.rejects, fmt.Sprintf("%s %s: %s", place.Cell, r.Rule, r.Value))
	}
}

// readFile reads a workbook with the settings given, and must not fail.
func readFile(t testing.TB, path string, settings ...any) got {
	t.Helper()
	g, err := read(t, sourceOf(t, path, settings...), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// errorOf reads a workbook that must fail, and returns the error with its hint.
func errorOf(t testing.TB, path string, settings ...any) (text string, rows int) {
	t.Helper()
	g, err := read(t, sourceOf(t, path, settings...), connectors.ReadRequest{})
	return message(t, err), len(g.rows)
}

func message(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok {
		if errors.Is(err, context.Canceled) {
			return err.Error()
		}
		t.Errorf("the error is no *connectors.Error: %v", err)
		return err.Error()
	}
	return e.Error() + "; " + e.Hint
}
