package excel

import (
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestTheEndOfTheRowsIsFound(t *testing.T) {
	for _, tt := range []struct{ in, rest string }{
		{`<worksheet><sheetData></sheetData><a/>`, `<a/>`},
		{`<worksheet><sheetData><row/></sheetData><a/>`, `<a/>`},
		{`<worksheet><sheetData/><a/>`, `<a/>`},
		{`<worksheet><sheetData /><a/>`, `<a/>`},
		{"<worksheet><sheetData\n></sheetData\n><a/>", `<a/>`},
		{`<x:worksheet><x:sheetData><x:row/></x:sheetData><a/>`, `<a/>`},
		{`<x:worksheet><x:sheetData/><a/>`, `<a/>`},
		{`<sheetData><row><c><is><t>sheetData sheetData&gt; sheetData/ </t></is></c></row></sheetData>rest`, `rest`},
		{`<sheetDataX/><sheetData></sheetData>`, ``},
		{`<sheetData>`, "-"},
		{`</sheetData`, "-"},
		{`sheetData>`, "-"},
		{`/sheetData>`, "-"},
		{``, "-"},
	} {
		got := "-"
		if end := rowsEnd([]byte(tt.in)); end > 0 {
			got = tt.in[end:]
		}
		if got != tt.rest {
			t.Errorf("behind the rows of %q is %q, want %q", tt.in, got, tt.rest)
		}
	}
}

// The tag that ends the rows is found wherever the window ends.
func TestTheEndOfTheRowsIsFoundAcrossWindows(t *testing.T) {
	for _, end := range []string{"</sheetData>", "</x:sheetData>", "<sheetData/>", "</sheetData  >"} {
		for shift := range len(end) + 2 {
			in := strings.Repeat("x", windowBytes-shift) + end + "<rest/>"
			rest, err := behindRows(strings.NewReader(in))
			if err != nil || !strings.HasPrefix("<rest/>", string(rest)) {
				t.Errorf("%s, %d bytes before the end of the window: %q, %v", end, shift, rest, err)
			}
		}
		rest, err := behindRows(iotest.OneByteReader(strings.NewReader("<sheetData>" + end)))
		if err != nil || len(rest) > 0 {
			t.Errorf("%s, byte by byte: %q, %v", end, rest, err)
		}
	}
	for _, in := range []string{"", "<sheetData>", strings.Repeat("</sheetDat", windowBytes/4)} {
		if _, err := behindRows(strings.NewReader(in)); err == nil {
			t.Errorf("in %d bytes without an end one was found", len(in))
		}
	}
}

func TestMergedCellsAreReadBehindTheRows(t *testing.T) {
	var many, want []string
	for i := range maxMerges + 10 {
		many = append(many, fmt.Sprintf("A%d:B%d", i%maxHeaderRow+1, i%maxHeaderRow+1))
	}
	for i := range 5 {
		want = append(want, fmt.Sprintf("A%d:C%d", maxHeaderRow+i-2, maxHeaderRow+i))
	}
	for _, tt := range []struct {
		name  string
		areas []string
		want  int
	}{
		{"none", nil, 0},
		{"two", []string{"A1:C1", "A2:A3"}, 2},
		{"some below all headers", want, 3},
		{"too many", many, maxMerges},
		{"nonsense", []string{"", "A1", "A1:", ":A1", "C1:A1", "A3:A1", "1:2", "A:B", "A0:B1", "XFE1:XFE2"}, 0},
	} {
		book := rawBook{sheets: []string{merged(texts(1, "a", "b"), tt.areas...)}}
		w, closer := opened(t, book)
		merges, err := w.verify(t.Context(), w.sheets[0])
		if err != nil || len(merges) != tt.want {
			t.Errorf("%s: %d merged cells, %v; want %d", tt.name, len(merges), err, tt.want)
		}
		closer()
	}
}

func TestParseArea(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want area
		ok   bool
	}{
		{"A1:B2", area{0, 1, 1, 2}, true},
		{"A1:A1", area{0, 0, 1, 1}, true},
		{"aa10:ab12", area{26, 27, 10, 12}, true},
		{"XFC1:XFD1048576", area{16382, 16383, 1, 1048576}, true},
		{"B1:A2", area{}, false},
		{"$A$1:$B$2", area{}, false},
		{"A1:B99999999999", area{}, false},
	} {
		got, ok := parseArea(tt.in)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("parseArea(%q) = %+v, %v; want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

// opened opens a workbook for tests of what lies below a source.
func opened(t *testing.T, book rawBook) (*workbook, func()) {
	t.Helper()
	src := sourceOf(t, written(t, "book.xlsx", book.bytes(t))).(*source)
	files := mustFind(t, src)
	w, closer, err := src.open(t.Context(), files[0])
	if err != nil {
		t.Fatal(err)
	}
	return w, func() { _ = closer.Close() }
}

func TestSharedStringsKeepTheirTextsAcrossBlocks(t *testing.T) {
	var s sharedStrings
	var want []string
	for i := range 300 {
		text := strings.Repeat(string(rune('a'+i%26)), i*i%40_000)
		switch i {
		case 0, 7:
			text = ""
		case 100:
			text = strings.Repeat("x", blockBytes)
		}
		want = append(want, text)
		if !s.add([]byte(text)) {
			t.Fatalf("text %d is one too many", i)
		}
	}
	for i, text := range want {
		block, start, end := s.at(i)
		if got := string(s.blocks[block][start:end]); got != text {
			t.Fatalf("text %d has %d bytes, want %d: %s", i, len(got), len(text), cmp.Diff(text, got))
		}
	}
	if len(s.blocks) < 5 {
		t.Errorf("all texts are in %d blocks", len(s.blocks))
	}
	for range maxSharedBytes/blockBytes + 1 {
		if !s.add(make([]byte, blockBytes)) {
			return
		}
	}
	t.Error("shared texts have no limit")
}
