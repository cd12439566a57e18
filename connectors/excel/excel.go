// Package excel reads workbooks in the format of ECMA-376, Office Open XML:
// .xlsx and .xlsm. Begin with [Type].
//
// A workbook is a ZIP archive of XML parts, and is read with readers of our
// own, since a row that silently does not come is worse than any error:
//
//	file ──archive──> part ──scanner──> tags ──rowScanner──> rows ──reader──> batches
//	       limits,    size,   XML                cells by
//	       directory  CRC-32                     type and style
//
// Every sheet is unpacked twice: once from end to end, so that nothing is
// delivered of a workbook that is damaged, and once to read its rows. Memory
// holds the texts that cells share (at most 64 MiB), a window onto the XML and
// the batch being filled, however large the sheet is.
//
// Formulas give the value that was computed when the workbook was saved, and
// macros are never run. Rows that are hidden, by a filter for one, are read.
package excel

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"crossdock/connectors"
)

// Config says which workbooks to read and what of them.
type Config struct {
	Path    string   `json:"path" doc:"File or glob. Workbooks packed with gzip or zstd are unpacked, and ZIP archives of them opened." example:"inbox/prices-*.xlsx" required:"true"`
	Member  string   `json:"member" doc:"Which files of a ZIP archive of workbooks are read, as a pattern of their names; unset, all of them." example:"*.xlsx"`
	Sheet   string   `json:"sheet" doc:"Name of the sheet, or a pattern such as 2026-*; without it the first visible one." example:"Prices"`
	Header  string   `json:"header" doc:"The row that names the columns: auto, its number as in \"3\", rows as in \"3-4\" whose cells are joined, or none." default:"auto" example:"3"`
	Columns []string `json:"columns" doc:"Names of the columns from A on, where header is none."`
	Hidden  bool     `json:"hidden" doc:"Whether sheets that are hidden may be read too."`

	// A batch is held twice, as read and as mapped.
	BatchRows int `json:"batch_rows" doc:"Most rows in a batch." default:"8000"`
	// What a workbook unpacks to is never held, but takes time.
	MaxUnpacked int `json:"max_unpacked" doc:"Most MiB that a workbook may unpack to." default:"1024"`
}

// Validate reports all settings that cannot work.
func (c Config) Validate() error {
	var errs connectors.SettingErrors
	wrong := func(setting, message string) {
		errs = append(errs, &connectors.SettingError{Path: setting, Message: message})
	}
	header, ok := parseHeader(c.Header)
	switch {
	case !ok:
		wrong("header", fmt.Sprintf("is %q, but must be auto, none, a row up to %d, or up to ten rows as in 3-4", c.Header, maxHeaderRow))
	case len(c.Columns) > 0 && !header.none:
		wrong("columns", "can only be named where header is none")
	case len(c.Columns) > maxColumns:
		wrong("columns", fmt.Sprintf("has more than %d names", maxColumns))
	}
	for i, name := range c.Columns {
		if name == "" || slices.Contains(c.Columns[:i], name) {
			wrong("columns", fmt.Sprintf("name %d, %q, is empty or there twice", i+1, name))
			break
		}
	}
	if c.BatchRows < 1 {
		wrong("batch_rows", "must be at least 1")
	}
	if c.MaxUnpacked < 1 || c.MaxUnpacked > connectors.MaxUnpackedBytes>>20 {
		wrong("max_unpacked", fmt.Sprintf("must be between 1 and %d", connectors.MaxUnpackedBytes>>20))
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("excel", "Reads the rows of Excel workbooks (.xlsx, .xlsm).",
		func(cfg Config, env connectors.Env) (connectors.Source, error) {
			return &source{cfg: cfg, env: env, begun: map[sheetKey]beginning{}}, nil
		})
}

// A source is a set of workbooks whose sheets have the same columns.
type source struct {
	cfg Config
	env connectors.Env

	mu    sync.Mutex
	begun map[sheetKey]beginning
	texts keptTexts
}

// keptTexts are the shared strings of a workbook that was discovered, for the
// reader that is opened next: it takes them, and does not read them again.
type keptTexts struct {
	file, version string
	shared        sharedStrings
}

// Check finds the files, opens the first and reads the beginning of its sheet.
func (s *source) Check(ctx context.Context) []connectors.Probe {
	var probes []connectors.Probe
	probe := func(name, detail string, err error) bool {
		probes = append(probes, connectors.Probe{Name: name, Detail: detail, Err: err})
		return err == nil
	}
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if !probe("files", strconv.Itoa(len(files))+" of "+s.cfg.Path, err) {
		return probes
	}
	f := files[0]
	book, closer, err := s.open(ctx, f)
	if !probe("workbook", f.Name, err) {
		return probes
	}
	defer closer.Close()
	sheets, err := book.selectSheets(s.cfg.Sheet, s.cfg.Hidden)
	if !probe("sheet", strings.Join(sheetNames(sheets), ", "), at(err, resource(f))) {
		return probes
	}
	l, rows, err := s.begin(ctx, book, f, sheets[0])
	detail := fmt.Sprintf("header in row %d, columns %s", l.header, strings.Join(l.names, ", "))
	if err == nil && rows == 0 {
		err = noRows(f, sheets[0])
	}
	probe("sample", detail, err)
	return probes
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// Discover lists the visible sheets of the first workbook. A sheet whose
// columns cannot be told, such as a cover, has none, unless it is selected.
func (s *source) Discover(ctx context.Context) ([]connectors.Stream, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	book, closer, err := s.open(ctx, files[0])
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	selected, err := book.selectSheets(s.cfg.Sheet, s.cfg.Hidden)
	if err != nil {
		return nil, at(err, resource(files[0]))
	}
	var streams []connectors.Stream
	for _, sh := range book.sheets {
		if sh.hidden && !s.cfg.Hidden {
			continue
		}
		l, _, err := s.begin(ctx, book, files[0], sh)
		if err != nil && (slices.Contains(selected, sh) || ctx.Err() != nil) {
			return nil, err
		}
		streams = append(streams, connectors.Stream{Name: sh.name, Columns: l.names, Rereadable: true})
	}
	s.keepTexts(files[0], book)
	return streams, nil
}

func (s *source) keepTexts(f connectors.File, book *workbook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if book.unread == "" {
		s.texts = keptTexts{f.Name, f.Version, book.shared}
	}
}

// takeTexts gives a workbook the texts that were kept of it.
func (s *source) takeTexts(f connectors.File, book *workbook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts.file == f.Name && s.texts.version == f.Version {
		book.shared, book.unread = s.texts.shared, ""
	}
	s.texts = keptTexts{} // the memory is the reader's, until it has read its file
}

// Open begins to read the sheet that the request names, or the one set.
func (s *source) Open(ctx context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	r := &reader{source: s, files: files, pattern: s.cfg.Sheet, batchRows: req.BatchRows}
	if req.Stream != "" {
		r.pattern = req.Stream
	}
	if r.batchRows == 0 {
		r.batchRows = s.cfg.BatchRows
	}
	if req.Cursor != "" {
		if err := r.resume(req.Cursor); err != nil {
			return nil, err
		}
	}
	if err := r.nextSheet(ctx); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// open opens a workbook. The closer closes its file.
func (s *source) open(ctx context.Context, f connectors.File) (*workbook, io.Closer, error) {
	unpacked := int64(s.cfg.MaxUnpacked) << 20
	file, err := f.OpenSeekable(ctx, unpacked)
	if err != nil {
		return nil, nil, err
	}
	book, err := openWorkbook(ctx, file, file.Size, unpacked)
	if err != nil {
		_ = file.Close()
		return nil, nil, at(err, resource(f))
	}
	s.takeTexts(f, book)
	return book, file, nil
}

// A beginning is what is known of a sheet before its rows are read.
type beginning struct {
	layout layout
	rows   int // how many of the first rows are data
}

// A sheetKey names a sheet of one version of a file.
type sheetKey struct{ file, version, sheet string }

// begin verifies a sheet and finds out how its rows are to be read. A source
// that was discovered has done so already, and does not unpack the sheet once
// more: the rows are checked again while they are read.
func (s *source) begin(ctx context.Context, book *workbook, f connectors.File, sh sheet) (layout, int, error) {
	key := sheetKey{f.Name, f.Version, sh.name}
	s.mu.Lock()
	known, ok := s.begun[key]
	s.mu.Unlock()
	if ok {
		return known.layout, known.rows, nil
	}
	// Both take time, and neither needs the other.
	texts := make(chan error, 1)
	go func() { texts <- book.readShared(ctx) }() // ends with what it reads, or with ctx
	merges, err := book.verify(ctx, sh)
	if err := <-texts; err != nil {
		return layout{}, 0, at(err, resource(f))
	}
	if err != nil {
		return layout{}, 0, at(err, sheetPlace(f, sh))
	}
	l, rows, err := book.layout(ctx, s.cfg, sh, merges)
	if err != nil {
		return l, rows, at(err, sheetPlace(f, sh))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[key] = beginning{l, rows}
	return l, rows, nil
}

// resource is the place of a workbook as a whole.
func resource(f connectors.File) connectors.Place {
	return connectors.Place{Resource: f.Name}
}

func sheetPlace(f connectors.File, sh sheet) connectors.Place {
	return connectors.Place{Resource: f.Name, Part: sh.name}
}

func noRows(f connectors.File, sh sheet) error {
	return &connectors.Error{Place: sheetPlace(f, sh), Message: "the sheet has a header but no rows", Hint: "was it filled in, and saved?"}
}

func sheetNames(sheets []sheet) []string {
	names := make([]string, len(sheets))
	for i, sh := range sheets {
		names[i] = sh.name
	}
	return names
}
