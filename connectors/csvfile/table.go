package csvfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A table is what is known of a file once its beginning was inspected.
type table struct {
	cfg      Config
	file     connectors.File
	charset  connectors.Charset
	format   format
	columns  []string
	trailing bool // header and rows end with a delimiter, behind which nothing stands
	headed   bool

	// declares tells that the first line is sep=; as Excel reads and writes it,
	// which names the delimiter and is no row.
	declares bool

	// Where the rows begin, in bytes of text and in lines.
	start, line int64
}

// Bounds of what is looked at to find encoding and delimiter.
const (
	sampleBytes = 256 << 10
	sampleRows  = 200
)

// A sample is the beginning of a file.
type sample struct {
	raw   []byte
	text  []byte // as UTF-8, without byte order mark
	whole bool   // it is the whole of the file
}

// inspect looks at the beginning of a file.
func inspect(ctx context.Context, file connectors.File, cfg Config) (*table, error) {
	t := &table{cfg: cfg, file: file}
	first, err := readSample(file)
	if err != nil {
		return nil, err
	}
	if err := notDelimited(file.Name, first.raw); err != nil {
		return nil, err
	}
	t.charset = connectors.DetectCharset(first.raw, cfg.Encoding)
	first.text = t.charset.Text(first.raw[t.charset.Mark:])
	t.format = format{delimiter: delimiterOf(cfg.Delimiter), recordEnd: recordEndOf(cfg.RecordEnd)}
	if quote := quoteOf(cfg.Quote); quote != "" {
		t.format.quote, t.format.quoting = quote[0], true
	}
	if err := controls(file.Name, first.text, t.format); err != nil {
		return nil, err
	}
	t.findDelimiter(first)
	if err := t.readHeader(ctx); err != nil {
		return nil, err
	}
	return t, t.judge(first)
}

func readSample(file connectors.File) (sample, error) {
	f, err := file.Open()
	if err != nil {
		return sample{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, sampleBytes))
	place := connectors.Place{Resource: file.Name}
	switch {
	case err != nil:
		return sample{}, &connectors.Error{Place: place, Message: "cannot be read", Err: err}
	case len(raw) == 0:
		return sample{}, &connectors.Error{Place: place, Message: "the file is empty", Hint: "was it fully written?"}
	}
	return sample{raw: raw, whole: len(raw) < sampleBytes}, nil
}

func (t *table) findDelimiter(s sample) {
	line, _, _ := bytes.Cut(s.text[:min(len(s.text), 32)], []byte("\n"))
	declared, found := strings.CutPrefix(strings.ToLower(string(bytes.TrimSuffix(line, []byte("\r")))), "sep=")
	t.declares = found && len(declared) == 1
	if t.format.delimiter != "" {
		return
	}
	t.format.delimiter = ","
	if t.declares {
		t.format.delimiter = declared
	} else if fit := t.fitting(s, 0); fit != "" {
		t.format.delimiter = fit
	}
}

// A sampled row is one row of the sample.
type sampledRow struct {
	line  int64
	cells int
	blank bool // no cell holds anything
	bare  bool // the last cell is empty
}

// survey cuts the first rows of the sample with a delimiter, from the header
// row on, and reports whether these are all rows of the file. It ends early
// where the sample ends in the middle of a row, or cannot be cut.
func (t *table) survey(s sample, delimiter string) (rows []sampledRow, all bool) {
	const enough = 32 << 10 // for most files, and there may be thousands
	if len(s.text) > enough {
		if rows, _ := t.surveyText(sample{text: s.text[:enough]}, delimiter); len(rows) > 2 {
			return rows, false
		}
	}
	return t.surveyText(s, delimiter)
}

func (t *table) surveyText(s sample, delimiter string) (rows []sampledRow, all bool) {
	f := t.format
	f.delimiter = delimiter
	scan := newScanner(bytes.NewReader(s.text), f, 0, 1, len(s.text)+1)
	scan.maxColumns = t.cfg.MaxColumns
	for len(rows) < sampleRows {
		line := scan.line
		cells, err := scan.row(context.Background())
		if err != nil || !s.whole && scan.pos == scan.n {
			return rows, s.whole && errors.Is(err, io.EOF)
		}
		row := sampledRow{line: line, cells: len(cells), blank: scan.blank(cells)}
		row.bare = cells[len(cells)-1].Start == cells[len(cells)-1].End
		if line >= t.headerLine() && (!row.blank || len(rows) > 0) {
			rows = append(rows, row)
		}
	}
	return rows, false
}

// headerLine returns the line on or behind which the header is.
func (t *table) headerLine() int64 {
	line, _ := strconv.ParseInt(t.cfg.Header, 10, 64)
	if t.declares {
		line = max(line, 2)
	}
	return max(line, 1)
}

func delimiters() []string { return []string{";", "\t", ",", "|", "¦", "^", "\x1f"} }

// fitting returns the delimiter that cuts the header into several columns and
// most rows, at least the share given, into the same number of them, or "".
func (t *table) fitting(s sample, least float64) string {
	best, bestShare, bestCells := "", least, 0
	for _, candidate := range delimiters() {
		rows, _ := t.survey(s, candidate)
		if candidate == string(t.format.quote) || len(rows) == 0 || rows[0].cells < 2 {
			continue
		}
		same, all := 0, 0
		for _, row := range rows {
			if !row.blank {
				all++
			}
			if !row.blank && row.cells == rows[0].cells {
				same++
			}
		}
		share := float64(same) / float64(all)
		if share > bestShare || share == bestShare && rows[0].cells > bestCells {
			best, bestShare, bestCells = candidate, share, rows[0].cells
		}
	}
	return best
}

// readHeader finds the header, names the columns, and notes where rows begin.
func (t *table) readHeader(ctx context.Context) error {
	scan, file, err := t.open(ctx, 0, 1)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		offset, line := scan.offset(), scan.line
		cells, err := scan.row(ctx)
		switch {
		case errors.Is(err, io.EOF) && t.cfg.Header != auto && t.cfg.Header != none:
			return scan.fail(0, -1, fmt.Sprintf("the header is to be in line %s, but the file has %d lines", t.cfg.Header, line-1), "")
		case errors.Is(err, io.EOF):
			return scan.fail(0, -1, "the file has only blank lines", "was it fully written?")
		case err != nil:
			return err
		case line < t.headerLine() || scan.blank(cells) && t.cfg.Header != none:
			continue
		}
		names, err := t.header(scan, cells, line)
		if err != nil {
			return err
		}
		t.start, t.line = scan.offset(), scan.line
		t.headed = len(t.cfg.Columns) == 0 || t.cfg.Header == auto && slices.EqualFunc(names, t.cfg.Columns, strings.EqualFold)
		t.columns = names
		if !t.headed {
			// There is none: what was read is the first row.
			t.start, t.line = offset, line
		}
		if len(t.cfg.Columns) > 0 {
			t.columns = t.cfg.Columns
		}
		return nil
	}
}

// header returns the text of the cells of the first row. Blanks around a name
// are never meant.
func (t *table) header(scan *scanner, cells []connectors.Span, line int64) ([]string, error) {
	names := make([]string, len(cells))
	for i, cell := range cells {
		text := scan.buf[cell.Start:cell.End]
		if len(t.cfg.Columns) == 0 && (!utf8.Valid(text) || scan.decoded && bytes.ContainsRune(text, utf8.RuneError)) {
			return nil, scan.fail(line, i, "the header is not "+t.charset.Name, "set encoding, most often to windows-1252")
		}
		if names[i] = strings.TrimSpace(string(text)); strings.Contains(names[i], "\x00") {
			return nil, scan.fail(line, i, "the header contains a NUL character: the file is damaged here", "")
		}
	}
	return names, nil
}

// judge compares the header with the rows of the sample.
func (t *table) judge(s sample) error {
	rows, all := t.survey(s, t.format.delimiter)
	if err := t.checkDelimiter(s, rows); err != nil {
		return err
	}
	if err := t.checkTitle(s, rows); err != nil {
		return err
	}
	if t.headed && len(rows) > 0 {
		rows = rows[1:]
	}
	rows = slices.DeleteFunc(rows, func(r sampledRow) bool { return r.blank })
	if len(rows) == 0 && all {
		return t.noRows()
	}
	if len(t.cfg.Columns) > 0 {
		return t.checkNamed(rows)
	}
	t.dropTrailing(rows)
	return t.nameColumns()
}

// checkDelimiter refuses a declared delimiter that leaves the header in one
// piece, where another one cuts it.
func (t *table) checkDelimiter(s sample, rows []sampledRow) error {
	if t.cfg.Delimiter == auto || len(rows) == 0 || rows[0].cells != 1 {
		return nil
	}
	fit := t.fitting(s, 0.8)
	if fit == "" || fit == t.format.delimiter {
		return nil
	}
	cut, _ := t.survey(s, fit)
	what := "the header is"
	if !t.headed {
		what = "the first row is"
	}
	return &connectors.Error{
		Place: connectors.Place{Resource: t.file.Name, Row: rows[0].line},
		Message: fmt.Sprintf("%s one single column with the delimiter %s that is set, but %s cuts it into %d",
			what, delimiterName(t.format.delimiter), delimiterName(fit), cut[0].cells),
		Hint: fmt.Sprintf("set delimiter to %s, or leave it out to have it found", delimiterName(fit)),
	}
}

// checkTitle refuses a header of one cell above rows that all have several: it
// is the title of a list, and the header comes below it.
func (t *table) checkTitle(s sample, rows []sampledRow) error {
	if !t.headed || len(rows) < 3 || rows[0].cells != 1 {
		return nil
	}
	candidates := []string{t.format.delimiter}
	if t.cfg.Delimiter == auto {
		candidates = delimiters()
	}
	for _, candidate := range candidates {
		below, _ := t.survey(s, candidate)
		below = slices.DeleteFunc(below, func(r sampledRow) bool { return r.blank || r.line == rows[0].line })
		if len(below) == 0 {
			continue
		}
		cells, same := below[len(below)-1].cells, 0
		for _, row := range below {
			if row.cells == cells {
				same++
			}
		}
		// Two cells may be a comma in the text of a single column.
		if cells < 3 || 5*same < 4*len(below) {
			continue
		}
		first := below[slices.IndexFunc(below, func(r sampledRow) bool { return r.cells == cells })]
		return &connectors.Error{
			Place:   connectors.Place{Resource: t.file.Name, Row: rows[0].line},
			Message: fmt.Sprintf("is a header of one column, but the rows from line %d on have %d cells cut by %s", first.line, cells, delimiterName(candidate)),
			Hint:    fmt.Sprintf("set header to the line where the header is, as in header: \"%d\"", first.line),
		}
	}
	return nil
}

// checkNamed compares how many columns are named with how many most rows have.
func (t *table) checkNamed(rows []sampledRow) error {
	named, counts, most := len(t.cfg.Columns), map[int]int{}, 0
	for _, row := range rows {
		if counts[row.cells]++; counts[row.cells] > counts[most] {
			most = row.cells
		}
	}
	switch {
	case len(rows) == 0 || counts[named] > 0 && 2*counts[named] >= counts[most]:
		return nil
	case most == named+1 && !slices.ContainsFunc(rows, func(r sampledRow) bool { return r.cells == most && !r.bare }):
		t.trailing = true // every row ends with a delimiter
		return nil
	}
	return &connectors.Error{
		Place:   connectors.Place{Resource: t.file.Name},
		Message: fmt.Sprintf("columns names %d columns, but the rows have %d", named, most),
		Hint:    "name all columns in their order; the rows were cut by " + delimiterName(t.format.delimiter),
	}
}

// dropTrailing takes an empty name at the end of the header for the trailing
// delimiter that some programs write in every row, when nothing stands below it.
func (t *table) dropTrailing(rows []sampledRow) {
	n := len(t.columns)
	if n < 2 || t.columns[n-1] != "" {
		return
	}
	for _, row := range rows {
		if row.cells == n && !row.bare {
			return
		}
	}
	t.columns, t.trailing = t.columns[:n-1], true
}

// nameColumns refuses names that stand twice, and names those without a name.
func (t *table) nameColumns() error {
	seen := map[string]int{}
	for i, name := range t.columns {
		if name == "" {
			name = "column " + strconv.Itoa(i+1)
			t.columns[i] = name
		}
		if before, twice := seen[name]; twice {
			return &connectors.Error{
				Place:   connectors.Place{Resource: t.file.Name, Column: name},
				Message: fmt.Sprintf("columns %d and %d have the same header %s", before+1, i+1, schemas.QuoteShort(name)),
				Hint:    "rename one of them",
			}
		}
		seen[name] = i
	}
	return nil
}

// sameHeader refuses a file that has not the columns of the first one.
func (t *table) sameHeader(first *table) error {
	differs := func(how string) error {
		return &connectors.Error{
			Place:   connectors.Place{Resource: t.file.Name},
			Message: fmt.Sprintf("its header differs from that of %s: %s", first.file.Name, how),
			Hint:    "read files with different headers by pipelines of their own",
		}
	}
	for i := range min(len(t.columns), len(first.columns)) {
		if t.columns[i] != first.columns[i] {
			return differs(fmt.Sprintf("column %d is %s here and %s there", i+1, schemas.QuoteShort(t.columns[i]), schemas.QuoteShort(first.columns[i])))
		}
	}
	if len(t.columns) != len(first.columns) {
		return differs(fmt.Sprintf("%d columns here and %d there", len(t.columns), len(first.columns)))
	}
	return nil
}

func (t *table) noRows() error {
	message := "has a header but no rows"
	if !t.headed && t.columns != nil {
		message = "has no rows"
	}
	return &connectors.Error{Place: connectors.Place{Resource: t.file.Name}, Message: message, Hint: "was it fully written?"}
}

// open opens the file at an offset of its text, on the line given.
func (t *table) open(ctx context.Context, offset, line int64) (*scanner, *connectors.OpenFile, error) {
	if err := t.file.CheckUnchanged(); err != nil {
		return nil, nil, err
	}
	file, err := t.file.Open()
	if err != nil {
		return nil, nil, err
	}
	text, err := t.charset.TextFrom(ctx, file, t.file.Size, offset)
	if err != nil {
		_ = file.Close()
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, &connectors.Error{Place: connectors.Place{Resource: t.file.Name, Row: line}, Message: "cannot be read from this line on", Err: err}
	}
	scan := newScanner(text, t.format, offset, line, blockBytes)
	scan.maxCell, scan.maxColumns = t.cfg.MaxCell, t.cfg.MaxColumns
	scan.decoded, scan.resource, scan.names = t.charset.Decodes(), t.file.Name, t.columns
	return scan, file, nil
}

// delimiterName writes a delimiter as a setting has it.
func delimiterName(d string) string {
	if d == "\t" {
		return "tab"
	}
	return strconv.Quote(d)
}
