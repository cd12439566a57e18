// Package xmlfile reads XML documents, such as BMEcat catalogues: every
// element at one path is a record, and what is in it are its columns.
//
// Begin with [Type]. A source reads each file once for its columns, so that a
// document that is cut off or malformed is refused before the first row of it
// is delivered, and a second time for its rows. One record at a time is held:
//
//	file ── charset ── tokens ── records ── layout ──> batches
//	        (UTF-8)    (XML)    (a tree at  (values by
//	                             a time)     path)
//
// Entities are never resolved and nothing that a document names is fetched.
package xmlfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Config says which files to read and what in them are records and columns.
type Config struct {
	Path   string `json:"path" doc:"File, or pattern that names several files built alike. Files packed with gzip or zstd are unpacked, and ZIP archives opened." example:"inbox/acme-*.xml" required:"true"`
	Member string `json:"member" doc:"Which files of a ZIP archive are read, as a pattern of their names; unset, all of them." example:"*.xml"`
	Record string `json:"record" doc:"Path from the root of the document to the elements that are records; * stands for any one name." example:"/BMECAT/T_NEW_CATALOG/ARTICLE" required:"true"`

	Columns      map[string]string `json:"columns" doc:"Columns by name, each with its path from the record: names, @attribute, .. for what stands in the elements above and before the records, and the predicates [@type=\"net\"], [NAME=\"Weight\"] and [1]. Unset, every element and attribute with a value is a column, named by its path." example:"{ sku: SUPPLIER_AID, net: 'PRICE[@type=\"net\"]/AMOUNT' }"`
	Namespaces   map[string]string `json:"namespaces" doc:"Namespaces by the prefixes that paths use for them. A name without prefix is found in every namespace." example:"{ g: http://base.google.com/ns/1.0 }"`
	Explode      string            `json:"explode" doc:"Path from the record to elements that are rows of their own; the other columns of the record are repeated in each." example:"ARTICLE_PRICE_DETAILS/ARTICLE_PRICE"`
	ExplodeEmpty string            `json:"explode_empty" doc:"What becomes of a record without such elements: it is skipped (skip), or one row (row)." default:"skip" enum:"skip,row"`

	Encoding  string `json:"encoding" doc:"Encoding of the text, where the file declares none or a wrong one. A byte order mark in the file comes first." default:"auto" example:"windows-1252"`
	Doctype   string `json:"doctype" doc:"What becomes of a file that declares a document type: it is refused (refuse), or the declaration is passed over (ignore). One with declarations of its own is always refused." default:"refuse" enum:"refuse,ignore"`
	BatchRows int    `json:"batch_rows" doc:"Rows per batch at most." default:"8000"`
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("xml", "Reads the records of XML documents, such as BMEcat catalogues, also packed with gzip, zstd or as ZIP archives.", open)
}

func open(cfg Config, env connectors.Env) (connectors.Source, error) {
	record, err := parseRecord(cfg.Record, cfg.Namespaces)
	return &source{cfg: cfg, record: record, limits: usualLimits(), env: env}, err
}

// Validate reports the settings that cannot work.
func (c Config) Validate() error {
	var errs connectors.SettingErrors
	refuse := func(setting, message string) {
		errs = append(errs, &connectors.SettingError{Path: setting, Message: message})
	}
	record, err := parseRecord(c.Record, c.Namespaces)
	if err != nil {
		refuse("record", err.Error())
	} else if _, err := newLayout(c, record); err != nil {
		fault, _ := errors.AsType[*connectors.SettingError](err) // it is nothing else
		errs = append(errs, fault)
	}
	if message := connectors.EncodingFault(c.Encoding); message != "" {
		refuse("encoding", message)
	}
	if c.BatchRows < 1 {
		refuse("batch_rows", "must be 1 or more")
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

const sampleRecords = 1000 // read by Check

type source struct {
	cfg    Config
	record []step
	limits limits
	env    connectors.Env

	mu    sync.Mutex
	known *dataset // what the last full inspection found
}

// A dataset is all files of a source, read once.
type dataset struct {
	documents []*document
	layout    *layout
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
	probes[1].Detail = fmt.Sprintf("%s, %d columns in the first %d records", first.charset.Name, len(data.layout.columns), first.sampled)
	return probes
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// Discover returns the one stream that the files make together.
func (s *source) Discover(ctx context.Context) ([]connectors.Stream, error) {
	data, err := s.dataset(ctx)
	if err != nil {
		return nil, err
	}
	return []connectors.Stream{{Columns: data.layout.columns, Rereadable: true}}, nil
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
	return newReader(data, rows, req.Cursor)
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

// inspect learns the columns of the files, from the first records of each
// alone where a limit is given.
func (s *source) inspect(ctx context.Context, files []connectors.File, limit int) (*dataset, error) {
	l, err := newLayout(s.cfg, s.record)
	if err != nil {
		return nil, err
	}
	data := &dataset{layout: l}
	for _, file := range files {
		doc := &document{file: file, cfg: &s.cfg, record: s.record, layout: l, limits: s.limits}
		if err := doc.recognise(); err != nil {
			return nil, err
		}
		if err := doc.learn(ctx, limit); err != nil {
			return nil, err
		}
		data.documents = append(data.documents, doc)
	}
	place := connectors.Place{Resource: files[0].Name}
	if err := l.makeColumns(); err != nil {
		return nil, &connectors.Error{Place: place, Message: err.Error(), Hint: "name those that are needed in columns"}
	}
	if len(l.columns) == 0 {
		return nil, &connectors.Error{Place: place, Message: "no record has a value in any of its columns", Hint: "compare the paths in columns with the file; unset, all columns are found"}
	}
	return data, nil
}

// learn reads a document for its columns, and to see that it is whole.
func (d *document) learn(ctx context.Context, limit int) error {
	records, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer records.close() // a file that was only read loses nothing
	last := int64(0)
	for (limit == 0 || d.sampled < limit) && !d.layout.full() {
		whole, err := records.next(ctx, true)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		d.sampled++
		for _, row := range d.rowsOf(&records.tree, whole) {
			if whole {
				d.layout.learn(&records.tree, records.frames, row)
			}
			d.crowded = d.crowded || row.line <= last
			last = row.line
			d.rows++
		}
	}
	switch {
	case d.sampled == 0:
		return d.noRecords(ctx)
	case d.rows == 0:
		return d.errorf(0, "compare it with the file, or set explode_empty to row", "explode is %s, but no record has such an element", schemas.QuoteShort(d.cfg.Explode))
	}
	return d.file.CheckUnchanged()
}

// rowsOf returns the rows of a record. One that was too large to be taken is
// one row, which will be rejected.
func (d *document) rowsOf(t *tree, whole bool) []row {
	var rows []row
	if whole {
		rows = d.layout.rows(t)
	}
	if !whole || len(rows) == 0 && d.cfg.ExplodeEmpty == "row" {
		return []row{{line: t.elements[0].line}}
	}
	return rows
}
