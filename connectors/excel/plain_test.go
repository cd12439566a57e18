package excel

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// rowsOf writes down what a row scanner makes of the rows of a sheet.
func rowsOf(t *testing.T, sheet io.Reader) string {
	t.Helper()
	book := &workbook{dates: []bool{false, true}}
	for _, text := range []string{"0017", "", "Größe \u20ac"} {
		book.shared.add([]byte(text))
	}
	r := &rowScanner{scanner: newScanner(sheet, windowBytes), book: book}
	for range 2 { // worksheet and sheetData
		if token, err := r.scanner.next(); token != startTag || err != nil {
			return fmt.Sprint(token, err)
		}
	}
	var b strings.Builder
	for {
		ok, err := r.next()
		if err != nil || !ok {
			fmt.Fprintln(&b, ok, err)
			return b.String()
		}
		fmt.Fprintf(&b, "%d, filled %d, %d bytes, fault %v:", r.rowNumber, r.filled, r.bytes, r.fault)
		for _, c := range r.cells {
			fmt.Fprintf(&b, " %d[%s]", c.kind, r.cellText(c))
		}
		b.WriteString("\n")
	}
}

// sameEitherWay fails when rows are read in another way where they lie whole
// in the window than where they come byte by byte, and no cell does.
func sameEitherWay(t *testing.T, rows string) {
	t.Helper()
	sheet := sheetXML(rows + strings.Repeat(" ", 100)) // cells at the very end are not looked at whole
	whole := rowsOf(t, strings.NewReader(sheet))
	if pieces := rowsOf(t, iotest.OneByteReader(strings.NewReader(sheet))); pieces != whole {
		t.Errorf("%s\nis read in two ways: %s", rows, cmp.Diff(pieces, whole))
	}
}

// cellForms are ways to write a cell, the plain ones first.
func cellForms() []string {
	return []string{
		`<c r="A1" t="s"><v>0</v></c>`, `<c r="A1" s="1" t="s"><v>2</v></c>`, `<c t="s" r="A1"><v>1</v></c>`,
		`<c r="A1"><v>-1.50</v></c>`, `<c r="A1" s="1"><v>46053.5</v></c>`, `<c r="A1" s="1" t="n"><v>1E-3</v></c>`,
		`<c r="A1" t="b"><v>1</v></c>`, `<c r="A1" t="e"><v>#N/A</v></c>`, `<c r="A1" t="d"><v>2026-01-31</v></c>`,
		`<c r="A1" t="str"><v>text</v></c>`, `<c r="A1" t="inlineStr"><is><t>Größe</t></is></c>`,
		`<c r="A1" s="1"/>`, `<c/>`, `<c></c>`, `<c><v>7</v></c>`, `<c r="A1"><v></v></c>`, `<c r="A1"><v/></c>`,

		`<c r="A1" t="s"><v> 0 </v></c>`, `<c r="A1" t="s"><v>3</v></c>`, `<c r="A1" t="s"><v>x</v></c>`, `<c r="A1" t="?"><v>1</v></c>`,
		`<c r="A1" s="x"><v>1</v></c>`, `<c r="A1" s="99"><v>1</v></c>`, `<c r="A1" cm="1"><v>1</v></c>`, `<c  r='A1'  t='s' ><v>0</v></c>`,
		`<x:c r="A1"><x:v>1</x:v></x:c>`, `<c r="A1"><f>B1</f><v>1</v></c>`, `<c r="A1"><f>B1</f></c>`, `<c r="A1" t="str"><f>B1</f><v></v></c>`,
		`<c r="A1" t="str"><v>a &amp; b</v></c>`, `<c r="A1" t="str"><v>a &b</v></c>`, "<c r=\"A1\" t=\"str\"><v>a\r\nb</v></c>",
		`<c r="A1" t="str"><v>_x0041_</v></c>`, `<c r="A1" t="inlineStr"><is><t>_x0041_ &lt;</t></is></c>`,
		`<c r="A1" t="inlineStr"><is><t xml:space="preserve"> a </t></is></c>`, `<c r="A1" t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>`,
		`<c r="A1" t="s"><is><t>0</t></is></c>`, `<c r="A1" t="inlineStr"><v>0</v></c>`, `<c r="A1"><v>1</v><v>2</v></c>`, `<c r="A1"><v>1<!-- 2 --></v></c>`,
		"<c r=\"A1\" t=\"str\"><v>\xff</v></c>", "<c r=\"A1\" t=\"inlineStr\"><is><t>\x00</t></is></c>",
		`<c r="A2"><v>1</v></c>`, `<c r="1"><v>1</v></c>`, `<c r="XFE1"><v>1</v></c>`, `<c r=""><v>1</v></c>`, `<c r="A1><v>1</v></c>`, `<c r="A1"t="s"><v>0</v></c>`,
		`<c r="A1"><v>1</c>`, `<c r="A1"><v>1</v>`, `<c r="A1"><is><t>1</t></c>`, `<col r="A1"><v>1</v></col>`, `<c r="A1" t="s"><v>0</v></c >`,
		`<c r="A1" t="` + strings.Repeat("s", 70) + `"><v>1</v></c>`, `<c r="A1" t="str"><v>` + strings.Repeat("x", windowBytes) + `</v></c>`,
	}
}

func TestPlainCellsAreTakenAsAllOthers(t *testing.T) {
	for _, form := range cellForms() {
		b := strings.ReplaceAll(form, `r="A1"`, `r="B1"`)
		d := strings.ReplaceAll(form, `r="A1"`, `r="D1"`)
		sameEitherWay(t, `<row r="1">`+form+`</row>`)
		sameEitherWay(t, `<row>`+form+b+d+`</row>`)
		sameEitherWay(t, `<row r="1">`+b+form+`</row>`)
		sameEitherWay(t, `<row r="1"><c r="A1"><v>1</v></c>`+d+`</row><row>`+strings.ReplaceAll(form, "1", "2")+`</row>`)
	}
}

// All but what is odd has to be taken by the short way, or it is none.
func TestUsualCellsArePlain(t *testing.T) {
	for _, form := range cellForms()[:12] {
		in := []byte(form + strings.Repeat(" ", 64))
		h, begin := plainHead(in)
		if begin == 0 || h.row != 1 && h.row != 0 || h.column != 0 {
			t.Errorf("the head of %s is not plain: %+v, %d bytes", form, h, begin)
			continue
		}
		if _, length := plainContent(in[begin:]); !h.empty && begin+length != len(form) {
			t.Errorf("the content of %s is not plain: %d of its bytes", form, begin+length)
		}
	}
}

func FuzzPlainCells(f *testing.F) {
	for _, form := range cellForms() {
		f.Add(`<row r="1">` + form + `</row>`)
	}
	f.Fuzz(sameEitherWay)
}
