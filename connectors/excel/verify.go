package excel

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Merged cells are kept where they can belong to a header.
const maxMerges = 2_000

// An area is a block of merged cells, its columns and rows inclusive.
type area struct {
	left, right int // from 0
	top, bottom int64
}

// verify unpacks a sheet from its first to its last byte before any row of it
// is used: a workbook that was cut off or changed on its way then yields none
// at all, rather than its first half. It returns the merged cells that reach
// into the rows from which a header is taken; they stand behind the rows.
func (w *workbook) verify(ctx context.Context, sh sheet) ([]area, error) {
	p, err := w.open(ctx, sh.part)
	if err != nil {
		return nil, err
	}
	rest, err := behindRows(p)
	if err != nil {
		return nil, err
	}
	s := newScanner(io.MultiReader(bytes.NewReader(rest), p), p.size)
	s.depth, s.rooted = 1, true
	s.open[0] = digest([]byte("worksheet"))
	var merges []area
	for {
		t, err := s.next()
		if err != nil || t == endOfMarkup {
			return merges, err
		}
		if t != startTag || string(s.name) != "mergeCell" {
			continue
		}
		v, err := s.attrs.texts("ref")
		if err != nil {
			return nil, err
		}
		if a, ok := parseArea(v[0]); ok && a.top <= maxHeaderRow && len(merges) < maxMerges {
			merges = append(merges, a)
		}
	}
}

// behindRows reads up to the end of sheetData and returns what it has read
// behind it. Looking for the tag alone is several times faster than taking
// the rows apart, which whoever reads them does anyway.
func behindRows(r io.Reader) ([]byte, error) {
	const longest = 64 // a tag sheetData with prefix and blanks
	buf := make([]byte, windowBytes)
	kept := 0
	for {
		n, err := io.ReadAtLeast(r, buf[kept:], 1)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return nil, err
		}
		window := buf[:kept+n]
		if end := rowsEnd(window); end > 0 {
			return window[end:], nil
		}
		if ended {
			return nil, damaged("the sheet is cut off: it has no end of sheetData")
		}
		kept = copy(buf, window[max(0, len(window)-longest):])
	}
}

// rowsEnd returns where the tag </sheetData> or <sheetData/> ends, or 0.
func rowsEnd(b []byte) int {
	const name = "sheetData"
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(name))
		if i < 0 {
			return 0
		}
		start, end := from+i, from+i+len(name)
		from = end
		for end < len(b) && b[end] <= ' ' {
			end++
		}
		tag := start
		for tag > 0 && b[tag-1] != '<' && b[tag-1] != '/' && start-tag < 32 {
			tag--
		}
		closes := tag > 1 && b[tag-1] == '/' && b[tag-2] == '<'
		opens := tag > 0 && b[tag-1] == '<'
		if closes && end < len(b) && b[end] == '>' {
			return end + 1
		}
		if opens && bytes.HasPrefix(b[end:], []byte("/>")) {
			return end + 2
		}
	}
}

// parseArea takes a reference such as A3:C4.
func parseArea(ref string) (area, bool) {
	from, to, ok := bytes.Cut([]byte(ref), []byte(":"))
	left, top := parseAddress(from)
	right, bottom := parseAddress(to)
	return area{left: left, right: right, top: top, bottom: bottom},
		ok && left >= 0 && left <= right && right < maxColumns && top >= 1 && top <= bottom
}

// parseAddress returns column, from 0, and row of a reference such as C17, -1
// and -1 for what is none.
func parseAddress(ref []byte) (column int, row int64) {
	i := 0
	for i < len(ref) && column <= maxColumns && (ref[i] >= 'A' && ref[i] <= 'Z' || ref[i] >= 'a' && ref[i] <= 'z') {
		column = column*26 + int(ref[i]&^0x20-'A') + 1
		i++
	}
	if row = int64(atoi(ref[i:])); i == 0 || row < 1 {
		return -1, -1
	}
	return column - 1, row
}
