// Package csvfile reads delimited text files: CSV, TSV and what ERPs call so.
//
// Begin with [Type]. A source finds its files, then inspects the beginning of
// each: encoding, delimiter, header. Rows are cut by a scanner of bytes that
// keeps the line of every row, and go into Arrow columns block by block:
//
//	file ── charset ── scanner ── reader ──> batches
//	        (UTF-8)    (cells)    (rows, rejects, cursor)
//
// A row that cannot be cut into the columns of the header is a reject, and
// reading goes on. What makes the whole file doubtful is an error: a wrong
// delimiter, a quote that is never closed, a file that changes meanwhile.
package csvfile

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Config says which files to read and how to cut them.
type Config struct {
	Path   string `json:"path" doc:"File, or pattern that names several files with the same header. Files packed with gzip or zstd are unpacked, and ZIP archives opened." example:"inbox/acme-*.csv" required:"true"`
	Member string `json:"member" doc:"Which files of a ZIP archive are read, as a pattern of their names; unset, all of them." example:"*.csv"`

	Delimiter string   `json:"delimiter" doc:"Text between two cells: auto, tab, comma, semicolon, pipe, space, or the characters themselves." default:"auto" example:";"`
	RecordEnd string   `json:"record_end" doc:"Text that ends a row, where it is not the end of the line; it goes with a delimiter that is named." default:"newline" example:"&|"`
	Quote     string   `json:"quote" doc:"Character around cells that contain the delimiter or line breaks, doubled within them, or none." default:"\"" example:"none"`
	Encoding  string   `json:"encoding" doc:"Encoding of the text: auto, utf-8, utf-16le, utf-16be, windows-1252, iso-8859-15 or another one by name. A byte order mark in the file comes first." default:"auto" example:"windows-1252"`
	Header    string   `json:"header" doc:"Where the header is: auto (the first row, unless columns are named), none, or the number of its line." default:"auto" example:"3"`
	Columns   []string `json:"columns" doc:"Names of the columns of a file without a header." example:"[sku, name, price]"`

	BatchRows  int `json:"batch_rows" doc:"Rows per batch at most." default:"8000"`
	MaxCell    int `json:"max_cell" doc:"Bytes in a cell at most. A longer one is taken for a quote that is never closed." default:"10485760"`
	MaxColumns int `json:"max_columns" doc:"Cells in a row at most." default:"4096"`
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("csv", "Reads delimited text files (CSV, TSV and the like), also packed with gzip, zstd or as ZIP archives.", open)
}

func open(cfg Config, env connectors.Env) (connectors.Source, error) {
	return &source{cfg, env}, nil
}

// Validate reports the settings that cannot work.
func (c Config) Validate() error {
	var errs connectors.SettingErrors
	refuse := func(setting, message string) {
		errs = append(errs, &connectors.SettingError{Path: setting, Message: message})
	}
	delimiter, quote := delimiterOf(c.Delimiter), quoteOf(c.Quote)
	if message := textFault(delimiter); message != "" && c.Delimiter != auto {
		refuse("delimiter", message)
	}
	if message := textFault(recordEndOf(c.RecordEnd)); message != "" && recordEndOf(c.RecordEnd) != "" {
		refuse("record_end", message)
	}
	switch {
	case len(quote) > 1 || len(quote) == 1 && (quote[0] < ' ' || quote[0] > '~'):
		refuse("quote", fmt.Sprintf("is %s, but must be one ASCII character or none", schemas.QuoteShort(c.Quote)))
	case quote != "" && (strings.Contains(delimiter, quote) || strings.Contains(recordEndOf(c.RecordEnd), quote)):
		refuse("quote", "stands in the delimiter or in record_end: give another one, or none")
	}
	if end := recordEndOf(c.RecordEnd); end != "" && (strings.HasPrefix(end, delimiter) || strings.HasPrefix(delimiter, end)) {
		refuse("record_end", "cannot be told from the delimiter")
	}
	if message := connectors.EncodingFault(c.Encoding); message != "" {
		refuse("encoding", message)
	}
	c.validateHeader(refuse)
	for _, n := range []struct {
		name  string
		value int
	}{{"batch_rows", c.BatchRows}, {"max_cell", c.MaxCell}, {"max_columns", c.MaxColumns}} {
		if n.value < 1 {
			refuse(n.name, "must be 1 or more")
		}
	}
	// Positions in a block of text are held in 32 bits, and a row may have
	// several cells of this length.
	if c.MaxCell > 256<<20 {
		refuse("max_cell", "must be 268435456 (256 MiB) or less")
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

func (c Config) validateHeader(refuse func(setting, message string)) {
	line, err := strconv.Atoi(c.Header)
	numbered := err == nil && line > 0
	switch {
	case c.Header != auto && c.Header != none && !numbered:
		refuse("header", fmt.Sprintf("is %s, but must be auto, none or the number of a line", schemas.QuoteShort(c.Header)))
	case c.Header == none && len(c.Columns) == 0:
		refuse("columns", "is required where header is none: name the columns in their order")
	case numbered && len(c.Columns) > 0:
		refuse("columns", "name the columns of a file without a header: leave them out, or set header to none")
	}
	if len(c.Columns) > c.MaxColumns {
		refuse("columns", fmt.Sprintf("are %d, more than max_columns", len(c.Columns)))
	}
	seen := map[string]int{}
	for i, name := range c.Columns {
		if name == "" {
			refuse("columns", fmt.Sprintf("column %d has no name", i+1))
		} else if before, twice := seen[name]; twice {
			refuse("columns", fmt.Sprintf("columns %d and %d are both named %s", before+1, i+1, schemas.QuoteShort(name)))
		}
		seen[name] = i
	}
}

const (
	auto = "auto"
	none = "none"
)

func delimiterOf(setting string) string {
	switch setting {
	case auto:
		return ""
	case "tab":
		return "\t"
	case "comma":
		return ","
	case "semicolon":
		return ";"
	case "pipe":
		return "|"
	case "space":
		return " "
	}
	return setting
}

func quoteOf(setting string) string {
	if setting == none {
		return ""
	}
	return setting
}

// recordEndOf returns the text that ends a row, or "" for the end of the line.
// The line break that follows it in most files is no part of it.
func recordEndOf(setting string) string {
	if setting == "newline" {
		return ""
	}
	return strings.TrimRight(setting, "\r\n")
}

// textFault says what is wrong with a delimiter or an end of a row.
func textFault(s string) string {
	switch {
	case s == "":
		return "is empty"
	case !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n"):
		return fmt.Sprintf("is %s, but cannot contain a line break or a NUL", schemas.QuoteShort(s))
	case len(s) > 16:
		return fmt.Sprintf("is %s, but must be 16 bytes or fewer", schemas.QuoteShort(s))
	}
	return ""
}

type source struct {
	cfg Config
	env connectors.Env
}

// Check finds the files, and reads and judges the first rows of the first.
func (s *source) Check(ctx context.Context) []connectors.Probe {
	files := connectors.Probe{Name: "files"}
	tables, err := s.inspectAll(ctx)
	if err != nil {
		files.Err = err
		return []connectors.Probe{files}
	}
	t := tables[0]
	files.Detail = fmt.Sprintf("%d found, the first is %s (%s, cells cut by %s, %d columns)",
		len(tables), t.file.Name, t.charset.Name, delimiterName(t.format.delimiter), len(t.columns))
	return []connectors.Probe{files, s.sample(ctx)}
}

// sample reads one small batch.
func (s *source) sample(ctx context.Context) connectors.Probe {
	probe := connectors.Probe{Name: "sample"}
	reader, err := s.Open(ctx, connectors.ReadRequest{BatchRows: 100})
	if err != nil {
		probe.Err = err
		return probe
	}
	defer reader.Close()
	batch, err := reader.Next(ctx)
	if err != nil {
		probe.Err = err
		return probe
	}
	probe.Detail = fmt.Sprintf("%d rows read, %d of them could not be cut into cells", batch.Read(), len(batch.Rejects))
	if len(batch.Rejects) > 0 && batch.Rows.NumRows() == 0 {
		first := batch.Rejects[0]
		probe.Err = &connectors.Error{Place: batch.Origin.Place(first.Row, -1, ""), Message: first.Message, Hint: "no row of the sample could be cut into cells"}
	}
	return probe
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// ReadOn returns the place behind the last row that was read of a file.
func (s *source) ReadOn(end connectors.Cursor, f connectors.File) connectors.Cursor {
	p, ok := parsePosition(end)
	if !ok || p.File != f.Name {
		return ""
	}
	p.Version = f.Version
	return p.cursor()
}

// Discover returns the one stream that the files make together.
func (s *source) Discover(ctx context.Context) ([]connectors.Stream, error) {
	tables, err := s.inspectAll(ctx)
	if err != nil {
		return nil, err
	}
	return []connectors.Stream{{Columns: tables[0].columns, Rereadable: true}}, nil
}

// Open inspects all files before the first row of any is delivered.
func (s *source) Open(ctx context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	if req.Stream != "" {
		return nil, &connectors.Error{Message: fmt.Sprintf("there is no stream %s: the files are one stream without a name", schemas.QuoteShort(req.Stream))}
	}
	tables, err := s.inspectAll(ctx)
	if err != nil {
		return nil, err
	}
	rows := s.cfg.BatchRows
	if req.BatchRows > 0 {
		rows = min(rows, req.BatchRows)
	}
	return newReader(tables, rows, req.Cursor)
}

func (s *source) inspectAll(ctx context.Context) ([]*table, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	tables := make([]*table, 0, len(files))
	for _, file := range files {
		t, err := inspect(ctx, file, s.cfg)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
		if err := t.sameHeader(tables[0]); err != nil {
			return nil, err
		}
	}
	return tables, nil
}
