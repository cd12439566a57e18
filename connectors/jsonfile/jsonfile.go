// Package jsonfile reads JSON files: one object on each line (NDJSON, JSON
// Lines), or an array of objects anywhere in a document (RFC 8259).
//
// Begin with [Type]. A source looks at the beginning of each file to tell how
// it is built, then reads it once for the names of its members, so that the
// columns are known and a file that is cut off or broken is refused before the
// first row of it is delivered. Memory does not grow with the file:
//
//	file ── text ── scanner ── records ── parser ──> batches
//	       (UTF-8)  (a value   (a line or (cells by
//	                 at a time) element)   column)
//
// The members of nested objects become columns named by their path, as in
// price.amount; an array, and an object that lies deeper than the setting
// flatten, becomes one cell of JSON text.
package jsonfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Config says which files to read and where in them the records are.
type Config struct {
	Path     string `json:"path" doc:"File, or pattern that names several files built alike. Files packed with gzip or zstd are unpacked, and ZIP archives opened." example:"inbox/products-*.json" required:"true"`
	Member   string `json:"member" doc:"Which files of a ZIP archive are read, as a pattern of their names; unset, all of them." example:"*.json"`
	Records  string `json:"records" doc:"Path to the array of records in a document, such as $.data.items; $ is the document itself. Needed only where a document is neither one object per line nor an array." example:"$.data.items"`
	Encoding string `json:"encoding" doc:"Encoding of the text. A byte order mark in the file comes first." default:"auto" enum:"auto,utf-8,utf-16le,utf-16be"`

	Flatten      int    `json:"flatten" doc:"Levels of nested objects that become columns of their own, named by path. Deeper ones become JSON text." default:"5"`
	Explode      string `json:"explode" doc:"Path in a record to an array whose elements are rows of their own; the other members of the record are repeated in each." example:"prices[*]"`
	ExplodeEmpty string `json:"explode_empty" doc:"What becomes of a record without such elements: it is skipped (skip), or one row (row)." default:"skip" enum:"skip,row"`

	BatchRows int `json:"batch_rows" doc:"Rows per batch at most." default:"8000"`
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("json", "Reads JSON files (one object per line, or arrays of objects), also packed with gzip, zstd or as ZIP archives.", open)
}

func open(cfg Config, env connectors.Env) (connectors.Source, error) {
	path, err := parsePath(cfg.Records)
	if err != nil {
		return nil, err
	}
	explode, err := parseExplode(cfg.Explode)
	return &source{cfg: cfg, path: path, explode: explode, env: env}, err
}

// Validate reports the settings that cannot work.
func (c Config) Validate() error {
	var errs connectors.SettingErrors
	if _, err := parsePath(c.Records); err != nil {
		errs = append(errs, &connectors.SettingError{Path: "records", Message: err.Error()})
	}
	if _, err := parseExplode(c.Explode); err != nil {
		errs = append(errs, &connectors.SettingError{Path: "explode", Message: err.Error()})
	}
	if c.Flatten < 0 || c.Flatten > maxDepth {
		errs = append(errs, &connectors.SettingError{Path: "flatten", Message: fmt.Sprintf("must be 0 to %d", maxDepth)})
	}
	if c.BatchRows < 1 {
		errs = append(errs, &connectors.SettingError{Path: "batch_rows", Message: "must be 1 or more"})
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// Bounds of what is taken from a file.
const (
	maxDepth      = 100      // of nested values
	maxCellBytes  = 10 << 20 // of one cell
	maxRecord     = 64 << 20 // bytes of one record as it stands in the file
	maxColumns    = 4096
	sampleRecords = 1000 // read by Check
)

type source struct {
	cfg     Config
	path    path
	explode explosion
	env     connectors.Env

	mu    sync.Mutex
	known *dataset // what the last full inspection found
}

// A dataset is all files of a source, read once.
type dataset struct {
	documents []*document
	tree      *tree
}

// Check finds the files, and reads the first records of each.
func (s *source) Check(ctx context.Context) []connectors.Probe {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return []connectors.Probe{{Name: "files", Err: err}}
	}
	probes := []connectors.Probe{
		{Name: "files", Detail: fmt.Sprintf("%d found, the first is %s", len(files), files[0].Name)},
		{Name: "sample"},
	}
	data, err := s.inspect(ctx, files, sampleRecords)
	if err != nil {
		probes[1].Err = err
		return probes
	}
	first := data.documents[0]
	probes[1].Detail = fmt.Sprintf("%s, %s, %d columns in the first %d records",
		first.kind(), first.charset, len(data.tree.columns), first.sampled)
	return probes
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// ReadOn returns the place behind the last record that was read of a file of
// one object per line. An array cannot grow but by becoming another.
func (s *source) ReadOn(end connectors.Cursor, f connectors.File) connectors.Cursor {
	c, ok := parseCursor(end)
	if !ok || c.File != f.Name || !c.Lines || c.Taken > 0 {
		return ""
	}
	c.Version, c.Ended = f.Version, false
	return c.encode()
}

// Discover returns the one stream that the files make together.
func (s *source) Discover(ctx context.Context) ([]connectors.Stream, error) {
	data, err := s.dataset(ctx)
	if err != nil {
		return nil, err
	}
	return []connectors.Stream{{Columns: data.tree.columns, Rereadable: true, Sparse: true}}, nil
}

// Open reads all files once for their columns before the first row of any is
// delivered.
func (s *source) Open(ctx context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	if req.Stream != "" {
		return nil, &connectors.Error{Message: fmt.Sprintf("there is no stream %s: the files are one stream without a name", schemas.QuoteShort(req.Stream))}
	}
	data, err := s.dataset(ctx)
	if err != nil {
		return nil, err
	}
	rows := s.cfg.BatchRows
	if req.BatchRows > 0 {
		rows = min(rows, req.BatchRows)
	}
	return newReader(data, rows, s.cfg.ExplodeEmpty == "row", req.Cursor)
}

// dataset inspects the files as they are now, unless it did so before and
// none has changed since.
func (s *source) dataset(ctx context.Context) (*dataset, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()
	if known != nil && known.isOf(files) {
		return known, nil
	}
	data, err := s.inspect(ctx, files, 0)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.known = data
	s.mu.Unlock()
	return data, nil
}

func (d *dataset) isOf(files []connectors.File) bool {
	if len(files) != len(d.documents) {
		return false
	}
	for i, doc := range d.documents {
		if doc.file != files[i] {
			return false
		}
	}
	return true
}

// inspect tells how each file is built and learns its members, from the first
// records alone where a limit is given.
func (s *source) inspect(ctx context.Context, files []connectors.File, limit int) (*dataset, error) {
	data := &dataset{tree: newTree(s.cfg.Flatten, s.explode)}
	for _, file := range files {
		doc, err := recognise(ctx, file, s.cfg.Encoding, s.path)
		if err != nil {
			return nil, err
		}
		if err := doc.learn(ctx, data.tree, limit); err != nil {
			return nil, err
		}
		data.documents = append(data.documents, doc)
	}
	if err := data.tree.makeColumns(); err != nil {
		return nil, &connectors.Error{
			Place: connectors.Place{Resource: files[0].Name}, Message: err.Error(),
			Hint: "objects whose members are keys of data, not names, are better kept as JSON text: set flatten to a smaller number",
		}
	}
	return data, nil
}

// learn reads a document for the names of its members.
func (d *document) learn(ctx context.Context, t *tree, limit int) error {
	if err := d.file.CheckUnchanged(); err != nil {
		return err
	}
	records, err := d.open(ctx, start())
	if err != nil {
		return err
	}
	defer records.close() // a file that was only read loses nothing
	p := newParser(t, true)
	objects, rows := 0, 0
	for (limit == 0 || d.sampled < limit) && !t.full() {
		rec, err := records.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if rec.blank {
			continue
		}
		d.sampled++
		fault := p.parse(rec)
		if fault == nil {
			objects++
			if len(p.levels) > 0 {
				rows += p.learnRows()
			}
			continue
		}
		if err := records.broken(rec, fault); err != nil {
			return err
		}
	}
	switch {
	case t.full():
		return nil // makeColumns says so
	case d.sampled == 0:
		return d.errorf("was it fully written?", "%s holds no records", d.kind())
	case objects == 0 && p.scalars == d.sampled:
		return d.errorf("set records to the path of an array of objects", "%s holds values, but no objects", d.kind())
	case len(p.levels) > 0 && rows == 0:
		return d.errorf("compare explode with the file", "%s has no record with an array to explode that holds anything", d.kind())
	}
	return d.file.CheckUnchanged()
}
