package excel

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
)

// sampleBook is a small workbook with a part of every kind.
func sampleBook(rows int) rawBook {
	var b strings.Builder
	b.WriteString(texts(1, "sku", "name", "price"))
	for i := range rows {
		row := i + 2
		fmt.Fprintf(&b, `<row r="%d"><c r="A%d" t="s"><v>%d</v></c><c r="B%d" t="inlineStr"><is><t>bolt %d</t></is></c><c r="C%d" s="1"><v>%d</v></c></row>`,
			row, row, i%3, row, i*7919, row, 46053+i)
	}
	return rawBook{sheets: []string{sheetXML(b.String())}, shared: sst("<t>0017</t>", "<t>0018</t>", "<t>0019</t>"), styles: dateStyles}
}

// A workbook that is cut off anywhere is an error, and none of it is read.
func TestAWorkbookCutOffAnywhereIsAnError(t *testing.T) {
	whole := sampleBook(2_000).bytes(t)
	cuts := 0
	for at := 1; at < len(whole); at += 512 {
		text, rows := errorOf(t, written(t, "book.xlsx", whole[:at]))
		if text == "" || rows > 0 {
			t.Errorf("cut at byte %d of %d: error %q, %d rows", at, len(whole), text, rows)
		}
		cuts++
	}
	for _, at := range []int{len(whole) - 1, len(whole) - 22, len(whole) - 23} {
		if text, rows := errorOf(t, written(t, "book.xlsx", whole[:at])); text == "" || rows > 0 {
			t.Errorf("cut at byte %d of %d: error %q, %d rows", at, len(whole), text, rows)
		}
	}
	if cuts < 50 {
		t.Errorf("only %d cuts were tried", cuts)
	}
	if g := readFile(t, written(t, "book.xlsx", whole)); len(g.rows) != 2_000 {
		t.Errorf("the whole has %d rows, want 2,000", len(g.rows))
	}
}

// So is one whose archive is whole and whose sheet is not.
func TestASheetCutOffAnywhereInAWholeArchiveIsAnError(t *testing.T) {
	book := sampleBook(1_000)
	sheet := book.sheets[0]
	cut := func(at int) {
		book.sheets = []string{sheet[:at]}
		if text, rows := errorOf(t, written(t, "book.xlsx", book.bytes(t))); text == "" || rows > 0 {
			t.Errorf("cut at byte %d of %d: error %q, %d rows", at, len(sheet), text, rows)
		}
	}
	for at := 0; at < len(sheet); at += 512 {
		cut(at)
	}
	for at := len(sheet) - 120; at < len(sheet); at++ {
		cut(at)
	}
}

// So is one that lost texts or styles, which would change what rows say.
func TestOtherPartsCutOffAreAnError(t *testing.T) {
	for _, name := range []string{"xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "_rels/.rels"} {
		for _, part := range sampleBook(3).parts() {
			if part.name != name {
				continue
			}
			for at := 0; at < len(part.content); at += 7 {
				book := sampleBook(3)
				book.extra = []bookFile{{name, part.content[:at]}}
				if text, rows := errorOf(t, written(t, "book.xlsx", book.bytes(t))); text == "" || rows > 0 {
					t.Errorf("%s cut at byte %d of %d: error %q, %d rows", name, at, len(part.content), text, rows)
				}
			}
		}
	}
}

// Whatever byte of a workbook is changed, it gives the same rows or an error.
func TestAChangedByteNeverChangesARow(t *testing.T) {
	whole := sampleBook(20).bytes(t)
	want := readFile(t, written(t, "book.xlsx", whole)).rows
	errs := 0
	for at := range whole {
		for _, flip := range [][]byte{{0x01}, {0xFF}}[at%2] {
			changed := bytes.Clone(whole)
			changed[at] ^= flip
			src := sourceOf(t, written(t, "book.xlsx", changed))
			g, err := read(t, src, connectors.ReadRequest{})
			if err != nil {
				errs++
				_ = message(t, err)
			} else if diff := cmp.Diff(want, g.rows); diff != "" {
				t.Errorf("byte %d changed by %#x: rows (-want +got):\n%s", at, flip, diff)
			}
		}
	}
	if errs < len(whole)/4 {
		t.Errorf("only %d of %d changes were seen", errs, len(whole))
	}
}

func TestWhatIsNoWorkbookIsToldApart(t *testing.T) {
	compound := func(names ...string) []byte {
		file := append([]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), make([]byte, 512*3-8)...)
		for i, name := range names {
			entry := file[1024+128*i:]
			for j, c := range []byte(name) {
				entry[2*j] = c
			}
			entry[64], entry[66] = byte(2*len(name)+2), 2
		}
		return file
	}
	encrypted := func() []byte {
		var plain bytes.Buffer
		f := excelize.NewFile()
		if err := f.Write(&plain); err != nil {
			t.Fatal(err)
		}
		out, err := excelize.Encrypt(plain.Bytes(), &excelize.Options{Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	main := func(target string) []bookFile {
		return []bookFile{{"_rels/.rels", `<Relationships><Relationship Id="1" Type="` + relTypes + `officeDocument" Target="` + target + `"/></Relationships>`}, {target, "x"}}
	}
	for _, tt := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"text", []byte("sku;name\n1;bolt\n"), "is not a workbook: it looks like text; use connector csv"},
		{"a web page", []byte("<!DOCTYPE html><HTML><body><table>"), "is a web page that was named as a workbook"},
		{"a table of a web page", []byte("<table border=1><tr><td>sku"), "is a web page"},
		{"an XML spreadsheet", []byte(`<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">`), "is an XML spreadsheet of 2003"},
		{"gzip cut off", []byte("\x1f\x8b\x08\x00"), "is not a whole gzip file"},
		{"PDF", []byte("%PDF-1.7"), "is a PDF document"},
		{"something else", []byte("\x89PNG\x00\x00"), "is not a workbook; save it as .xlsx"},
		{"one byte", []byte("P"), "is not a workbook: it looks like text"},
		{"an old workbook", compound("Root Entry", "Workbook"), "is an old .xls workbook; save it as .xlsx"},
		{"an older workbook", compound("Book"), "is an old .xls workbook"},
		{"an old document", compound("WordDocument"), "is an old Office file and no workbook"},
		{"a compound file that is cut off", compound()[:100], "is an old Office file and no workbook"},
		{"a protected workbook", encrypted(), "is protected with a password; save it without one"},
		{"an archive", zipped(t, []bookFile{{"readme.txt", "hello"}}), "readme.txt: is not a workbook: it looks like text"},
		{"an archive in an archive", zipped(t, []bookFile{{"a.zip", string(zipped(t, []bookFile{{"a/prices.XLSX", "x"}}))}}), "a.zip: is a ZIP archive with files in it and no workbook; unpack it first"},
		{"OpenDocument", zipped(t, []bookFile{{"mimetype", "application/vnd.oasis.opendocument.spreadsheet"}, {"content.xml", "x"}}), "is an OpenDocument file (.ods); save it as .xlsx"},
		{"a binary workbook", zipped(t, main("xl/workbook.bin")), "is a binary workbook; save it as .xlsx"},
		{"a document", zipped(t, main("word/document.xml")), "is a document or a presentation"},
		{"relations that lead nowhere", zipped(t, main("xl/other.xml")), "the XML"},
		{"no main part", zipped(t, []bookFile{{"_rels/.rels", `<Relationships/>`}}), "is a ZIP archive and no workbook"},
		{"a main part that is missing", zipped(t, main("xl/workbook.xml")[:1]), "its part xl/workbook.xml is missing"},
		{"an archive that is cut off", []byte("PK\x03\x04 and no more"), "the workbook is cut off or damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := written(t, "prices.xlsx", tt.content)
			text, _ := errorOf(t, path)
			if !strings.HasPrefix(text, "prices.xlsx:") || !strings.Contains(text, tt.want) {
				t.Errorf("error %q, want %q in it", text, tt.want)
			}
			probes := sourceOf(t, path).Check(t.Context())
			if last := probes[len(probes)-1]; last.Name != "workbook" || last.Err == nil {
				t.Errorf("the last probe is %+v, want a failed one named workbook", last)
			}
		})
	}
}

// A liar is an entry of a ZIP archive whose directory says what a test wants.
type liar struct {
	name             string
	content          []byte // packed
	method           uint16
	crc              uint32
	packed, unpacked uint32
	flags            uint16
}

func honest(name, content string) liar {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, content)
	_ = w.Close()
	return liar{
		name: name, content: b.Bytes(), method: 8, crc: crc32.ChecksumIEEE([]byte(content)),
		packed: uint32(b.Len()), unpacked: uint32(len(content)),
	}
}

// lies writes an archive entry by entry.
func lies(entries ...liar) []byte {
	var body, directory bytes.Buffer
	put := func(b *bytes.Buffer, values ...any) {
		for _, v := range values {
			_ = binary.Write(b, binary.LittleEndian, v)
		}
	}
	for _, e := range entries {
		offset := uint32(body.Len())
		put(&body, uint32(0x04034b50), uint16(20), e.flags, e.method, uint32(0), e.crc, e.packed, e.unpacked, uint16(len(e.name)), uint16(0))
		body.WriteString(e.name)
		body.Write(e.content)
		put(&directory, uint32(0x02014b50), uint16(20), uint16(20), e.flags, e.method, uint32(0), e.crc, e.packed, e.unpacked,
			uint16(len(e.name)), uint16(0), uint16(0), uint16(0), uint16(0), uint32(0), offset)
		directory.WriteString(e.name)
	}
	start := uint32(body.Len())
	body.Write(directory.Bytes())
	put(&body, uint32(0x06054b50), uint16(0), uint16(0), uint16(len(entries)), uint16(len(entries)), uint32(directory.Len()), start, uint16(0))
	return body.Bytes()
}

// lying returns a workbook of which one entry is changed.
func lying(name string, change func(*liar)) []byte {
	var entries []liar
	for _, f := range sampleBook(50).parts() {
		e := honest(f.name, f.content)
		if f.name == name {
			change(&e)
		}
		entries = append(entries, e)
	}
	return lies(entries...)
}

func TestDirectoriesThatLie(t *testing.T) {
	const sheet = "xl/worksheets/sheet1.xml"
	for _, tt := range []struct {
		name, part string
		change     func(*liar)
		want       string
	}{
		{"honest", sheet, func(*liar) {}, ""},
		{"a size too small", sheet, func(e *liar) { e.unpacked -= 100 }, "not as long as the directory says"},
		{"a size too large", sheet, func(e *liar) { e.unpacked += 100 }, "not as long as the directory says"},
		{"a size of nothing", sheet, func(e *liar) { e.unpacked = 0 }, "not as long as the directory says"},
		{"the wrong checksum", sheet, func(e *liar) { e.crc++ }, "right checksum"},
		{"no checksum", sheet, func(e *liar) { e.crc = 0 }, "right checksum"},
		{"the wrong checksum of texts", "xl/sharedStrings.xml", func(e *liar) { e.crc++ }, "right checksum"},
		{"packed too short", sheet, func(e *liar) { e.packed -= 10 }, "cannot be unpacked"},
		{"nothing packed", sheet, func(e *liar) { e.packed = 0 }, "cannot be unpacked"},
		{"larger than the file", sheet, func(e *liar) { e.packed = 1 << 30 }, "larger than the file"},
		{"another method", sheet, func(e *liar) { e.method = 12 }, "is packed by method 12"},
		{"encrypted", sheet, func(e *liar) { e.flags |= 1 }, "protected with a password"},
		{"huge", sheet, func(e *liar) { e.unpacked = 1<<32 - 2 }, "more than 200 times its size"},
		{"huge, its name no text", sheet, func(e *liar) { e.unpacked, e.name = 1<<32-2, "xl/\x1b[2J\xff.xml" }, "xl/\uFFFD[2J.xml, that unpacks to more than"},
		{"renamed", sheet, func(e *liar) { e.name = "xl/other.xml" }, "its part xl/worksheets/sheet1.xml is missing"},
		{"twice", "xl/styles.xml", func(e *liar) { e.name = "XL/Worksheets/Sheet1.XML" }, "has two parts named"},
		{"in capitals", sheet, func(e *liar) { e.name = "XL/Worksheets/Sheet1.XML" }, ""},
		{"with backslashes", sheet, func(e *liar) { e.name = `\xl\worksheets\sheet1.xml` }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, rows := errorOf(t, written(t, "book.xlsx", lying(tt.part, tt.change)))
			if !strings.Contains(text, tt.want) || tt.want == "" && (text != "" || rows != 50) {
				t.Errorf("error %q after %d rows, want %q in it", text, rows, tt.want)
			}
			if tt.want != "" && rows > 0 {
				t.Errorf("%d rows were delivered", rows)
			}
		})
	}
}

func TestBombsAreRefused(t *testing.T) {
	zeros := func(mib int) string { return strings.Repeat("\x00", mib<<20) }
	many := make([]bookFile, 0, maxEntries+1)
	for i := range maxEntries + 1 {
		many = append(many, bookFile{fmt.Sprintf("xl/%d.xml", i), ""})
	}
	big := sampleBook(3)
	big.shared = "<sst>" + strings.Repeat("<si><t>"+strings.Repeat("long text ", 10_000)+"</t></si>", 700) + "</sst>"
	countless := sampleBook(3)
	countless.shared = "<sst>" + strings.Repeat("<si/>", maxSharedItems+1) + "</sst>"
	styled := sampleBook(3)
	styled.styles = `<styleSheet><cellXfs>` + strings.Repeat(`<xf numFmtId="14"/>`, maxStyles+1) + `</cellXfs></styleSheet>`
	var sheets strings.Builder
	for i := range maxEntries + 1 {
		fmt.Fprintf(&sheets, `<sheet name="x%d" id="rId1"/>`, i)
	}
	sheeted, twice, nameless := sampleBook(3), sampleBook(3), sampleBook(3)
	sheeted.extra = []bookFile{{"xl/workbook.xml", `<workbook><sheets>` + sheets.String() + `</sheets></workbook>`}}
	twice.extra = []bookFile{{"xl/workbook.xml", `<workbook><sheets><sheet name="x" id="rId1"/><sheet name="X" id="rId1"/></sheets></workbook>`}}
	nameless.extra = []bookFile{{"xl/workbook.xml", `<workbook><sheets><sheet id="rId1"/></sheets></workbook>`}}
	related := sampleBook(3)
	related.extra = []bookFile{{"xl/_rels/workbook.xml.rels", `<Relationships>` + strings.Repeat(`<Relationship Id="1" Type="x" Target="y"/>`, maxEntries+1) + `</Relationships>`}}
	for _, tt := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"a part of zeros", zipped(t, append(sampleBook(3).parts(), bookFile{"xl/media/image1.png", zeros(64)})), "image1.png, that unpacks to more than 200 times its size"},
		{"more than is allowed in all", lying("xl/styles.xml", func(e *liar) {
			*e = liar{name: "xl/media/a.bin", content: make([]byte, 6<<20), packed: 6 << 20, unpacked: 1 << 30}
		}), "unpacks to more than 1024 MiB; set max_unpacked"},
		{"many parts", zipped(t, many), "has more than 2000 parts"},
		{"very many parts", zipped(t, slicesOf(bookFile{name: strings.Repeat("x", 200)}, 30_000)), "has more than 2000 parts"},
		{"texts without end", big.stored(t), "64 MiB of them; save the sheet as CSV"},
		{"countless texts", countless.stored(t), "has more than 4000000 different texts"},
		{"styles", styled.stored(t), "has more than 65536 styles"},
		{"sheets", sheeted.bytes(t), "has more than 2000 sheets"},
		{"two sheets of one name", twice.bytes(t), "has two sheets named X"},
		{"a sheet without a name", nameless.bytes(t), "has a sheet without a name"},
		{"relations", related.bytes(t), "with more than 2000 relations"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, rows := errorOf(t, written(t, "book.xlsx", tt.content))
			if !strings.HasPrefix(text, "book.xlsx: the workbook is ") || !strings.Contains(text, tt.want) || rows > 0 {
				t.Errorf("error %q after %d rows, want %q in it", text, rows, tt.want)
			}
		})
	}
}

func slicesOf(f bookFile, n int) []bookFile {
	files := make([]bookFile, n)
	for i := range files {
		files[i] = bookFile{fmt.Sprintf("%s%d", f.name, i), f.content}
	}
	return files
}

// Parts that share their bytes unpack to more than any ratio shows.
func TestPartsThatOverlapAreRefused(t *testing.T) {
	content := lying("xl/styles.xml", func(e *liar) { e.packed = 3_000; e.unpacked = 3_000 })
	directory := bytes.LastIndex(content, []byte("PK\x05\x06"))
	if directory < 0 || directory > 6_000 {
		t.Fatalf("the archive has %d bytes, too many for this test", len(content))
	}
	text, _ := errorOf(t, written(t, "book.xlsx", lying("xl/styles.xml", func(e *liar) { e.packed = uint32(len(content)) - 10 })))
	if want := "has parts that overlap"; !strings.Contains(text, want) {
		t.Errorf("error %q, want %q in it", text, want)
	}
}

func TestTheLimitOfWhatIsUnpackedCanBeSet(t *testing.T) {
	book := sampleBook(20_000)
	path := written(t, "book.xlsx", book.bytes(t))
	if text, _ := errorOf(t, path, "max_unpacked", 1); !strings.Contains(text, "unpacks to more than 1 MiB; set max_unpacked") {
		t.Errorf("error %q", text)
	}
	if g := readFile(t, path, "max_unpacked", 8); len(g.rows) != 20_000 {
		t.Errorf("read %d rows, want 20,000", len(g.rows))
	}
}

// Macros are a part like any other, and never looked at.
func TestAWorkbookWithMacrosIsRead(t *testing.T) {
	book := sampleBook(3)
	book.extra = []bookFile{{"xl/vbaProject.bin", "\xD0\xCF\x11\xE0"}}
	if g := readFile(t, written(t, "book.xlsm", packed(t, book.parts(), zip.Store))); len(g.rows) != 3 {
		t.Errorf("read %d rows, want 3", len(g.rows))
	}
}
