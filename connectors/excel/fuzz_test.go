package excel

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"crossdock/connectors"
)

// readBytes reads all sheets of a workbook in memory and reports what must
// never be: an error that no user can act on, rows out of order, text that is
// none. What it does not say is left to the fuzzer: panics and endless loops.
func readBytes(t *testing.T, content []byte) {
	t.Helper()
	book, err := openWorkbook(t.Context(), bytes.NewReader(content), int64(len(content)), 16<<20)
	if err != nil {
		mustBeActionable(t, err)
		return
	}
	cfg := Config{BatchRows: 10}
	for _, sh := range book.sheets[:min(len(book.sheets), 3)] {
		merges, err := book.verify(t.Context(), sh)
		if err != nil {
			mustBeActionable(t, err)
			continue
		}
		l, _, err := book.layout(t.Context(), cfg, sh, merges)
		if err != nil {
			mustBeActionable(t, err)
		}
		seen := map[string]bool{}
		for _, name := range l.names {
			if name == "" || seen[name] || !utf8.ValidString(name) {
				t.Fatalf("column %q of %q is empty or there twice", name, l.names)
			}
			seen[name] = true
		}
		readSheet(t, book, sh)
	}
}

func readSheet(t *testing.T, book *workbook, sh sheet) {
	t.Helper()
	r, err := book.openRows(t.Context(), sh)
	if err != nil {
		mustBeActionable(t, err)
		return
	}
	for last := int64(0); ; last = r.rowNumber {
		ok, err := r.next()
		if err != nil {
			mustBeActionable(t, err)
			return
		}
		if !ok {
			return
		}
		if r.rowNumber <= last || r.rowNumber > maxRows || r.filled > len(r.cells) || len(r.cells) > maxColumns {
			t.Fatalf("row %d after row %d, %d of %d cells filled", r.rowNumber, last, r.filled, len(r.cells))
		}
		for _, c := range r.cells {
			value := r.cellText(c)
			if !utf8.Valid(value) || c.kind == connectors.NumberCell && !plainNumber(value) {
				t.Fatalf("row %d: cell %q of kind %d", r.rowNumber, value, c.kind)
			}
		}
	}
}

func plainNumber(b []byte) bool {
	digits := bytes.TrimPrefix(b, []byte("-"))
	whole, fraction, point := bytes.Cut(digits, []byte("."))
	return len(whole) > 0 && (len(whole) == 1 || whole[0] != '0') && point == (len(fraction) > 0) &&
		len(bytes.Trim(append(bytes.Clone(whole), fraction...), "0123456789")) == 0 && !bytes.HasSuffix(fraction, []byte("0"))
}

func mustBeActionable(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*connectors.Error](err); !ok || e.Message == "" || e.Hint == "" || !utf8.ValidString(e.Error()) {
		t.Fatalf("no user can act on the error %v", err)
	}
}

func FuzzSheet(f *testing.F) {
	shared := sst("<t>0017</t>", "<r><t>a</t></r><r><t>b</t></r>")
	for _, rows := range []string{
		"", `<row/>`, texts(1, "sku", "name") + numbers(2, "1", "2"), sampleBook(3).sheets[0],
		`<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="b"><v>1</v></c></row>`,
		`<row><c t="str"><f>A1</f><v>x &amp; y</v></c><c t="e"><v>#N/A</v></c><c t="d"><v>2026-01-31</v></c><c s="1"><v>46053.5</v></c></row>`,
		`<row r="1"><c><v>1E-3</v></c><c><v>0.30000000000000004</v></c><c><v>-1.50</v></c><c><is><t>_x000D_</t></is></c></row>`,
	} {
		f.Add(sheetXML(rows), shared)
		f.Add(merged(rows, "A1:B2", "C1:C2"), shared)
	}
	f.Add(`<x:worksheet><x:sheetData/><!-- x --></x:worksheet>`, `<sst><si><t><![CDATA[x]]></t><rPh><t>y</t></rPh></si></sst>`)
	f.Fuzz(func(t *testing.T, sheet, shared string) {
		readBytes(t, rawBook{sheets: []string{sheet}, shared: shared, styles: dateStyles}.stored(t))
	})
}

func FuzzWorkbook(f *testing.F) {
	f.Add(sampleBook(3).bytes(f))
	f.Add(sampleBook(3).stored(f))
	f.Add(threeSheets().stored(f))
	f.Add([]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"))
	f.Add([]byte("sku;name\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		readBytes(t, content)
		// A changed byte seldom gets past the checksums: here each part is packed
		// anew, so that what is behind them is reached too.
		if z, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil && len(z.File) < 20 {
			readBytes(t, repacked(t, z))
		}
	})
}

func repacked(t *testing.T, z *zip.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		raw, err := f.OpenRaw()
		if err != nil || f.Method != zip.Store {
			continue
		}
		var part bytes.Buffer
		if _, err := part.ReadFrom(raw); err != nil {
			continue
		}
		p, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err == nil {
			_, err = p.Write(part.Bytes())
		}
		if err != nil {
			return nil
		}
	}
	if err := w.Close(); err != nil {
		return nil
	}
	return out.Bytes()
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1E-3", "0.30000000000000004", "12345678901234567890", "1e308", ".5", "46053.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := appendNumber(nil, []byte(s)); ok && !plainNumber(got) {
			t.Errorf("%q became %q", s, got)
		}
		if got, ok := appendDate(nil, []byte(s), false); ok && (len(got) < 8 || len(got) > len("2026-01-31T13:45:00.000")) {
			t.Errorf("%q became %q", s, got)
		}
	})
}
