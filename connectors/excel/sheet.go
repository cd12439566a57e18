package excel

import (
	"bytes"
	"context"

	"crossdock/connectors"
)

// The size of a sheet, ECMA-376 Part 1, 18.3.1.73 and Excel's own limits.
const (
	maxColumns = 16_384
	maxRows    = 1_048_576

	maxRowBytes = 16 << 20
)

// A rowScanner takes the rows of a sheet from its XML, one after the other.
// It is used again for every row: what it says of one is gone with the next.
type rowScanner struct {
	*scanner
	book *workbook
	part *part

	rowNumber int64  // as the user sees it
	cells     []cell // by column
	filled    int    // columns up to the last one that is not blank
	fault     *fault // the first cell that cannot be read
	bytes     int    // of its texts

	scratch []byte // texts of the cells that are not shared
	value   []byte // of the cell being taken
}

// A cell is one cell of the row. Where its text is depends on its source.
type cell struct {
	source     storage
	kind       connectors.Kind
	block      uint16 // of the shared strings
	start, end uint32 // in scratch, or in the block
}

type storage uint8

const (
	nowhere storage = iota // the cell is empty
	inScratch
	inShared
)

// A fault is a cell that makes its row one to be rejected.
type fault struct {
	column        int
	rule, message string
}

// openRows begins to scan a sheet, and stands before its first row.
func (w *workbook) openRows(ctx context.Context, sh sheet) (*rowScanner, error) {
	if err := w.readShared(ctx); err != nil {
		return nil, err
	}
	p, err := w.open(ctx, sh.part)
	if err != nil {
		return nil, err
	}
	r := &rowScanner{scanner: newScanner(p, p.size), book: w, part: p}
	for {
		t, err := r.scanner.next()
		switch {
		case err != nil:
			return nil, err
		case t == endOfMarkup:
			return nil, damaged("the sheet has no sheetData")
		case t != startTag:
		case r.depth == 1 && string(r.name) != "worksheet":
			return nil, damaged("its part %s is no worksheet", shown(sh.part))
		case r.depth == 2 && string(r.name) == "sheetData":
			return r, nil
		case r.depth == 2:
			if err := r.skip(); err != nil {
				return nil, err
			}
		}
	}
}

// cellText returns the text of a cell, nil where it is empty. It is valid until
// the next row.
func (r *rowScanner) cellText(c cell) []byte {
	switch c.source {
	case inScratch:
		return r.scratch[c.start:c.end]
	case inShared:
		return r.book.shared.blocks[c.block][c.start:c.end:c.end]
	case nowhere:
	}
	return nil
}

// next moves to the next row and reports false behind the last one, when the
// sheet has been read to its end and was whole.
func (r *rowScanner) next() (bool, error) {
	for {
		t, err := r.scanner.next()
		switch {
		case err != nil:
			return false, err
		case t == startTag && string(r.name) == "row":
			return true, r.row()
		case t == startTag:
			if err := r.skip(); err != nil {
				return false, err
			}
		case t == endTag:
			return false, r.drain()
		}
	}
}

func (r *rowScanner) row() error {
	number := int64(0)
	for {
		ok, err := r.attrs.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if string(r.attrs.name) == "r" {
			number = int64(atoi(r.attrs.value))
			if number < 1 {
				return damaged("a row behind row %d is numbered %s", r.rowNumber, shown(r.attrs.value))
			}
		}
	}
	last := r.rowNumber
	// Rows and cells may leave out where they are: then they follow their
	// neighbour (ECMA-376 Part 1, 18.3.1.73 and 18.3.1.4).
	r.rowNumber = number
	r.cells, r.scratch, r.filled, r.fault, r.bytes = r.cells[:0], r.scratch[:0], 0, nil, 0
	for {
		if err := r.plainCells(last); err != nil {
			return err
		}
		t, err := r.scanner.next()
		switch {
		case err != nil:
			return err
		case t == endTag:
			if r.rowNumber == 0 {
				r.rowNumber = last + 1
			}
			return r.checkNumber(last)
		case t == startTag && string(r.name) == "c":
			err = r.cell(last)
		case t == startTag:
			err = r.skip()
		}
		if err != nil {
			return err
		}
	}
}

func (r *rowScanner) checkNumber(last int64) error {
	if r.rowNumber <= last {
		return damaged("row %d comes after row %d", r.rowNumber, last)
	}
	if r.rowNumber > maxRows {
		return damaged("row %d is more than the %d that a sheet can have", r.rowNumber, maxRows)
	}
	return nil
}

// cell takes one cell, whose start tag was just taken.
func (r *rowScanner) cell(lastRow int64) error {
	column, style, kind := len(r.cells), 0, []byte("n")
	for {
		ok, err := r.attrs.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if len(r.attrs.name) != 1 {
			continue
		}
		switch r.attrs.name[0] {
		case 'r':
			if column, err = r.address(r.attrs.value, lastRow); err != nil {
				return err
			}
		case 's':
			style = atoi(r.attrs.value)
		case 't':
			kind = r.attrs.value
		}
	}
	typ := typeOf(kind) // before the window moves on
	if err := r.moveTo(column, lastRow); err != nil {
		return err
	}
	content, err := r.content()
	if err != nil {
		return err
	}
	return r.take(typ, style, content, lastRow)
}

// moveTo makes the column the next one, with empty cells before it.
func (r *rowScanner) moveTo(column int, lastRow int64) error {
	if column >= maxColumns {
		return refused("has a row, %d, with more than %d columns", max(r.rowNumber, lastRow+1), maxColumns)
	}
	if column < len(r.cells) {
		return damaged("cell %s comes after one to the right of it", connectors.CellAddress(column, max(r.rowNumber, lastRow+1)))
	}
	for len(r.cells) < column {
		r.cells = append(r.cells, cell{})
	}
	return nil
}

// take makes the next cell of its content.
func (r *rowScanner) take(typ cellType, style int, content content, lastRow int64) error {
	column := len(r.cells)
	c, err := r.typed(typ, style, content)
	if err != nil {
		return err
	}
	r.cells = append(r.cells, c)
	value := r.cellText(c)
	if !blank(value) || r.fault != nil && r.fault.column == column {
		r.filled = column + 1
	}
	// Shared texts are counted too: a short row can refer to a long text often.
	if r.bytes += len(value); r.bytes > maxRowBytes {
		return refused("has a row, %d, of more than %d MiB", max(r.rowNumber, lastRow+1), maxRowBytes>>20)
	}
	return nil
}

// address returns the column of a reference such as C17, from 0. Its row must
// be the one it stands in.
func (r *rowScanner) address(ref []byte, lastRow int64) (int, error) {
	column, row := parseAddress(ref)
	if row < 1 {
		return 0, damaged("a cell behind row %d has the address %s", lastRow, shown(ref))
	}
	if r.rowNumber == 0 {
		r.rowNumber = row
	}
	if row != r.rowNumber {
		return 0, damaged("cell %s stands in row %d", shown(ref), r.rowNumber)
	}
	return column, nil
}

// A content is what an element c holds.
type content struct {
	value   []byte // as it is meant
	given   bool   // there is an element v or is
	formula bool
}

// content takes a cell up to its end tag.
func (r *rowScanner) content() (content, error) {
	if r.empty {
		_, err := r.scanner.next()
		return content{}, err
	}
	if raw, ok := r.plainValue(); ok {
		if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
			return content{value: raw, given: true}, nil
		}
		var err error
		r.value, err = unescape(r.value[:0], raw)
		return content{value: r.value, given: true}, err
	}
	c := content{}
	r.value = r.value[:0]
	inValue := 0
	for outer := r.depth - 1; r.depth > outer; {
		t, err := r.scanner.next()
		if err != nil {
			return c, err
		}
		switch {
		case t == startTag && string(r.name) == "v":
			c.given, inValue = true, r.depth
		case t == startTag && string(r.name) == "is":
			c.given = true
			r.value, err = r.richText(r.value)
		case t == startTag:
			c.formula = c.formula || string(r.name) == "f"
			err = r.skip()
		case t == endTag && r.depth < inValue:
			inValue = 0
		case t == text && inValue > 0:
			r.value, err = r.appendText(r.value)
		}
		if err != nil {
			return c, err
		}
		if len(r.value) > maxText {
			return c, refused("has a cell of more than %d KiB in row %d", maxText>>10, r.rowNumber)
		}
	}
	c.value = r.value
	return c, nil
}

// A cellType is the type of a cell, ST_CellType of ECMA-376 Part 1, 18.18.11,
// by its first letter, save "str" which is 'f' for the formula it comes from.
type cellType byte

func typeOf(t []byte) cellType {
	switch string(t) {
	case "n", "s", "b", "e", "d":
		return cellType(t[0])
	case "str":
		return 'f'
	case "inlineStr":
		return 'i'
	}
	return 0
}

// typed makes a cell of its content.
func (r *rowScanner) typed(typ cellType, style int, c content) (cell, error) {
	if len(c.value) == 0 {
		// A formula whose result is the empty text has an empty v; programs that
		// write formulas and cannot compute them leave it out or empty.
		if c.formula && (!c.given || typ != 'f') {
			r.reject("formula_error", "holds a formula without a value: open the workbook in Excel and save it, so that it is computed")
		}
		return cell{}, nil
	}
	start := len(r.scratch)
	kind, ok := connectors.TextCell, true
	switch typ {
	case 's':
		return r.sharedCell(c.value)
	case 'f':
		r.scratch = appendXstring(r.scratch, c.value)
	case 'i':
		r.scratch = append(r.scratch, c.value...)
	case 'e':
		r.reject("formula_error", "holds the error "+shown(c.value)+": mend the formula, or write the value in its place")
		r.scratch = append(r.scratch, c.value...)
	case 'b':
		kind = connectors.BooleanCell
		r.scratch, ok = appendBoolean(r.scratch, c.value)
	case 'd':
		kind = connectors.DateCell
		r.scratch, ok = appendISODate(r.scratch, bytes.TrimSpace(c.value))
	case 'n':
		kind, ok = r.number(style, bytes.TrimSpace(c.value))
	default:
		ok = false
	}
	if !ok {
		r.reject("cell", "holds a value that does not fit its type: write it again")
		r.scratch, kind = append(r.scratch[:start], c.value...), connectors.TextCell
	}
	if kind == connectors.TextCell {
		if err := checkText(r.scratch[start:]); err != nil {
			return cell{}, err
		}
	}
	return cell{source: inScratch, kind: kind, start: uint32(start), end: uint32(len(r.scratch))}, nil
}

func (r *rowScanner) sharedCell(value []byte) (cell, error) {
	i := atoi(bytes.TrimSpace(value))
	if i < 0 || i >= len(r.book.shared.ends) {
		return cell{}, damaged("a cell in row %d refers to the shared text %s, there are %d", r.rowNumber, shown(value), len(r.book.shared.ends))
	}
	block, start, end := r.book.shared.at(i)
	if start == end {
		return cell{}, nil
	}
	return cell{source: inShared, block: uint16(block), start: start, end: end}, nil
}

// number takes a number, which is a date where the style of its cell shows it
// as one. A number that no date has, such as -1, stays a number.
func (r *rowScanner) number(style int, value []byte) (connectors.Kind, bool) {
	var ok bool
	if style >= 0 && style < len(r.book.dates) && r.book.dates[style] {
		if r.scratch, ok = appendDate(r.scratch, value, r.book.date1904); ok {
			return connectors.DateCell, true
		}
	}
	r.scratch, ok = appendNumber(r.scratch, value)
	return connectors.NumberCell, ok
}

func appendBoolean(dst, value []byte) ([]byte, bool) {
	switch string(value) {
	case "1", "true":
		return append(dst, "true"...), true
	case "0", "false":
		return append(dst, "false"...), true
	}
	return dst, false
}

// reject notes that the cell being taken cannot be read; the first counts.
func (r *rowScanner) reject(rule, message string) {
	if r.fault == nil {
		r.fault = &fault{column: len(r.cells), rule: rule, message: message}
	}
}

// atoi returns a number of decimal digits, and -1 for what is none.
func atoi(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<30 {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if len(b) == 0 {
		return -1
	}
	return n
}
