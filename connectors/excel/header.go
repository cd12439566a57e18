package excel

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// What is looked at to find a header and the columns of a sheet.
const (
	maxHeaderRow  = 1_000
	sampleRows    = 100
	maxSampleText = 4 << 20
)

// headerRows says which rows name the columns.
type headerRows struct {
	auto, none  bool
	first, last int64
}

// parseHeader takes the setting: auto, none, 3 or 3-4.
func parseHeader(s string) (headerRows, bool) {
	switch s {
	case "", "auto":
		return headerRows{auto: true}, true
	case "none":
		return headerRows{none: true}, true
	}
	from, to, isRange := strings.Cut(s, "-")
	first, err := strconv.ParseInt(strings.TrimSpace(from), 10, 32)
	last := first
	if isRange && err == nil {
		last, err = strconv.ParseInt(strings.TrimSpace(to), 10, 32)
	}
	return headerRows{first: first, last: last}, err == nil && first >= 1 && first <= last && last <= maxHeaderRow && last-first < 10
}

// A layout says how the rows of a sheet are to be read.
type layout struct {
	names  []string
	header int64 // the last row that is no data, 0 where there is no header
}

// A sampleRow is one of the first rows of a sheet that are not blank.
type sampleRow struct {
	number int64
	cells  []sampleCell // up to the last one that is not blank
}

type sampleCell struct {
	text string
	kind connectors.Kind
}

func (c sampleCell) filled() bool { return strings.TrimSpace(c.text) != "" }

// sample returns the first rows from a number on that are not blank.
func (w *workbook) sample(ctx context.Context, sh sheet, from int64) ([]sampleRow, error) {
	r, err := w.openRows(ctx, sh)
	if err != nil {
		return nil, err
	}
	var rows []sampleRow
	size := 0
	for len(rows) < sampleRows && size < maxSampleText {
		ok, err := r.next()
		if err != nil || !ok {
			return rows, err
		}
		if r.rowNumber < from || r.filled == 0 {
			continue
		}
		row := sampleRow{number: r.rowNumber, cells: make([]sampleCell, r.filled)}
		for i, c := range r.cells[:r.filled] {
			row.cells[i] = sampleCell{text: string(r.cellText(c)), kind: c.kind}
			size += len(row.cells[i].text) + 24
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// layout finds the header of a sheet, or takes the one that is set, and names
// its columns. That there are no rows of data is an error only where they are
// wanted, since a template has none either.
func (w *workbook) layout(ctx context.Context, cfg Config, sh sheet, merges []area) (layout, int, error) {
	want, _ := parseHeader(cfg.Header) // validated when the source was made
	rows, err := w.sample(ctx, sh, want.first)
	if err != nil {
		return layout{}, 0, err
	}
	if len(rows) == 0 && want.first > 0 {
		return layout{}, 0, &connectors.Error{Message: "the sheet has no rows from row " + strconv.FormatInt(want.first, 10) + " on", Hint: "is header: " + cfg.Header + " right?"}
	}
	if len(rows) == 0 {
		return layout{}, 0, &connectors.Error{Message: "the sheet is empty", Hint: "is it the right sheet? The setting sheet names another"}
	}
	if want.none {
		names := slices.Clone(cfg.Columns)
		if len(names) == 0 {
			names = letters(0, widest(rows))
		}
		return layout{names: names}, len(rows), nil
	}
	if want.auto {
		if want, err = findHeader(rows, merges); err != nil {
			return layout{}, 0, err
		}
	}
	var header, data []sampleRow
	for _, row := range rows {
		switch {
		case row.number > want.last:
			data = append(data, row)
		case row.number >= want.first:
			header = append(header, row)
		}
	}
	if len(header) == 0 {
		return layout{}, 0, &connectors.Error{Message: "the header " + cfg.Header + " is blank", Hint: "the first row that is not stands at " + strconv.FormatInt(rows[0].number, 10)}
	}
	names, err := nameColumns(header, want, merges, widest(data))
	return layout{names: names, header: want.last}, len(data), err
}

func widest(rows []sampleRow) int {
	width := 0
	for _, row := range rows {
		width = max(width, len(row.cells))
	}
	return width
}

// findHeader returns the first row that looks like a header: mostly text, at
// least two cells, and as wide as most of the rows that follow. Titles and
// letterheads above it are narrower than what follows.
func findHeader(rows []sampleRow, merges []area) (headerRows, error) {
	for i, row := range rows {
		if row.number > maxHeaderRow {
			break
		}
		filled, texts := 0, 0
		for _, c := range row.cells {
			if c.filled() {
				filled++
				if c.kind == connectors.TextCell {
					texts++
				}
			}
		}
		if filled < 2 || texts*2 <= filled || !wideEnough(row, rows[i+1:], merges) {
			continue
		}
		found := headerRows{first: row.number, last: row.number}
		if i+1 < len(rows) && isSubHeader(rows[i+1], row.number, merges) {
			found.last = rows[i+1].number
		}
		return found, nil
	}
	return headerRows{}, &connectors.Error{
		Message: "no row looks like a header: mostly text, and as wide as the rows that follow",
		Hint:    `name it, as in header: "3", or say header: none and name the columns`,
	}
}

// wideEnough reports whether most of the rows that follow, up to a screen of
// them, stay beneath a row, and most cells of one of them are beneath its own.
func wideEnough(row sampleRow, follow []sampleRow, merges []area) bool {
	width := headerWidth(row, merges)
	follow = follow[:min(len(follow), 50)]
	within, full := 0, 0
	for _, f := range follow {
		if len(f.cells) > width {
			continue
		}
		within++
		if len(f.cells)*2 >= width {
			full++
		}
	}
	return len(follow) == 0 || within*2 > len(follow) && full > 0
}

// headerWidth counts the columns up to the last one that a row names, also by
// a merged cell.
func headerWidth(row sampleRow, merges []area) int {
	width := len(row.cells)
	for _, m := range merges {
		if m.top == row.number && m.left < len(row.cells) && row.cells[m.left].filled() {
			width = max(width, m.right+1)
		}
	}
	return width
}

// isSubHeader reports whether a row names parts of the merged cells right
// above it, and nothing else: then both rows are the header.
func isSubHeader(row sampleRow, above int64, merges []area) bool {
	if row.number != above+1 {
		return false
	}
	beneath, width := make([]bool, maxColumns), 0
	for _, m := range merges {
		if m.top == above && m.bottom == above && m.left < m.right {
			for c := m.left; c <= m.right; c++ {
				if !beneath[c] {
					beneath[c] = true
					width++
				}
			}
		}
	}
	named := 0
	for i, c := range row.cells {
		if !c.filled() {
			continue
		}
		if !beneath[i] || c.kind != connectors.TextCell {
			return false
		}
		named++
	}
	return named > 0 && named == width
}

// nameColumns names every column from A on, so that the number of a column in
// a batch is that of the sheet. A name is made of the cells above the column
// from top to bottom, each once, with a merged cell above all its columns.
// Columns that hold data beneath no header are called by their letter.
func nameColumns(header []sampleRow, want headerRows, merges []area, dataWidth int) ([]string, error) {
	width := dataWidth
	for _, row := range header {
		width = max(width, headerWidth(row, merges))
	}
	names := letters(0, width)
	cells := make(map[string]string, width) // the cell in which a name was found
	for column := range names {
		var parts []string
		repeated := 0 // how far the column is from the left of the merged cell that alone names it
		cell := ""
		for _, row := range header {
			at, ok := namedBy(row, column, merges)
			if !ok {
				continue
			}
			part := strings.Join(strings.Fields(row.cells[at].text), " ")
			if part == "" || slices.Contains(parts, part) {
				continue
			}
			parts = append(parts, part)
			repeated, cell = column-at, connectors.CellAddress(column, row.number)
		}
		name := strings.Join(parts, " ")
		switch {
		case name == "":
			name, cell = names[column], connectors.CellAddress(column, want.last)
		case repeated > 0:
			name += " " + strconv.Itoa(repeated+1)
		}
		if other, taken := cells[name]; taken {
			return nil, &connectors.Error{
				Message: fmt.Sprintf("two columns are called %s, in %s and %s", schemas.QuoteShort(name), other, cell),
				Hint:    "give each column a name of its own",
			}
		}
		cells[name], names[column] = cell, name
	}
	return names, nil
}

// namedBy returns the column of the cell that stands above a column in a row:
// its own, or the left one of the cells merged there. Below the top row of a
// merged cell there is none, since it has said its name already.
func namedBy(row sampleRow, column int, merges []area) (at int, ok bool) {
	at = column
	for _, m := range merges {
		if m.top <= row.number && row.number <= m.bottom && m.left <= column && column <= m.right {
			if m.top < row.number {
				return 0, false
			}
			at = m.left
		}
	}
	return at, at < len(row.cells)
}

// letters names columns by the letters that a sheet shows above them.
func letters(from, to int) []string {
	names := make([]string, to-from)
	for i := range names {
		names[i] = "column " + strings.TrimSuffix(connectors.CellAddress(from+i, 1), "1")
	}
	return names
}
