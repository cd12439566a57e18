// Package parquetfile reads Apache Parquet files.
//
// Begin with [Type]. A Parquet file says at its end what it holds, so that one
// that is cut off is refused before its first row. Its rows lie in groups, and
// in a group column by column in pages of about a megabyte; no more of a file
// is in memory than one page of each column, however large its groups are:
//
//	file ── footer ── layout            the columns, and what their values mean
//	         └ row group ── chunk ── chunk ── ...   one column of one group
//	                          └ page ── cells ──> row by row into batches
//
// Types become text exactly: whole numbers of 64 bits, with or without sign,
// and decimals keep every digit, moments are written in UTC. The members of a
// group become columns named by their path, as in price.amount, and a list of
// single values becomes one cell, a JSON array. What has no such form (bytes,
// maps, lists of groups) is refused by name, and can be left out.
package parquetfile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Config says which files to read.
type Config struct {
	Path   string   `json:"path" doc:"File, or pattern that names several files with the same columns." example:"inbox/products-*.parquet" required:"true"`
	Member string   `json:"member" doc:"Which files of a ZIP archive of Parquet files are read, as a pattern of their names; unset, all of them." example:"*.parquet"`
	Skip   []string `json:"skip" doc:"Columns to leave out, such as those of bytes, maps or lists of groups, which no cell can hold." example:"[image, history]"`
	Text   []string `json:"text" doc:"Columns of bytes that hold text in UTF-8 and do not say so, as older programs write them." example:"[sku, name]"`

	BatchRows int `json:"batch_rows" doc:"Rows per batch at most." default:"8000"`
}

// Validate reports the settings that cannot work.
func (c Config) Validate() error {
	if c.BatchRows < 1 {
		return connectors.SettingErrors{{Path: "batch_rows", Message: "must be 1 or more"}}
	}
	return nil
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("parquet", "Reads Apache Parquet files.", open)
}

func open(cfg Config, env connectors.Env) (connectors.Source, error) {
	return &source{cfg, env}, nil
}

// Bounds of what is taken from a file.
const (
	maxColumns   = 4096
	maxDepth     = 100       // of groups in groups
	maxFooter    = 64 << 20  // bytes
	maxPageBytes = 128 << 20 // of one page as unpacked
	maxCellBytes = 10 << 20
)

type source struct {
	cfg Config
	env connectors.Env
}

// Check finds the files, and reads the footer of each.
func (s *source) Check(ctx context.Context) []connectors.Probe {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return []connectors.Probe{{Name: "files", Err: err}}
	}
	probes := []connectors.Probe{
		{Name: "files", Detail: fmt.Sprintf("%d found, the first is %s", len(files), files[0].Name)},
		{Name: "sample"},
	}
	tables, err := s.inspect(ctx, files)
	if err != nil {
		probes[1].Err = err
		return probes
	}
	rows := int64(0)
	for _, t := range tables {
		rows += t.rows
	}
	probes[1].Detail = fmt.Sprintf("%d columns, %d rows", len(tables[0].columns), rows)
	return probes
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// Discover returns the one stream that the files make together.
func (s *source) Discover(ctx context.Context) ([]connectors.Stream, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	tables, err := s.inspect(ctx, files)
	if err != nil {
		return nil, err
	}
	return []connectors.Stream{{Columns: tables[0].names(), Rereadable: true}}, nil
}

// Open reads the footers of all files before the first row of any is delivered.
func (s *source) Open(ctx context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	if req.Stream != "" {
		return nil, &connectors.Error{Message: fmt.Sprintf("there is no stream %s: the files are one stream without a name", schemas.QuoteShort(req.Stream))}
	}
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	tables, err := s.inspect(ctx, files)
	if err != nil {
		return nil, err
	}
	rows := s.cfg.BatchRows
	if req.BatchRows > 0 {
		rows = min(rows, req.BatchRows)
	}
	return newReader(tables, rows, req.Cursor)
}

// inspect reads the footers of the files, which must have the same columns.
func (s *source) inspect(ctx context.Context, files []connectors.File) ([]*table, error) {
	var tables []*table
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := s.describe(ctx, file)
		if err != nil {
			return nil, err
		}
		if len(tables) > 0 {
			if err := t.arrangeAs(tables[0]); err != nil {
				return nil, err
			}
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// A table is one file as its footer describes it.
type table struct {
	file    connectors.File
	rows    int64
	columns []column
}

func (t *table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// arrangeAs puts the columns in the order of those of the first file, which
// must have the same names.
func (t *table) arrangeAs(first *table) error {
	names, wanted := t.names(), first.names()
	differs := func(how string) error {
		return &connectors.Error{
			Place: connectors.Place{Resource: t.file.Name}, Message: fmt.Sprintf("its columns differ from those of %s: %s", first.file.Name, how),
			Hint: "files of one pipeline have the same columns; name those that differ under skip, or read them by a pipeline of their own",
		}
	}
	for _, name := range names {
		if !slices.Contains(wanted, name) {
			return differs("it has " + schemas.QuoteShort(name) + " beside them")
		}
	}
	arranged := make([]column, len(wanted))
	for i, name := range wanted {
		at := slices.Index(names, name)
		if at < 0 {
			return differs("it lacks " + schemas.QuoteShort(name))
		}
		arranged[i] = t.columns[at]
	}
	t.columns = arranged
	return nil
}

// listed joins names for a message, as a setting takes them.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("[%s, ...]: %d columns", strings.Join(names[:most], ", "), len(names))
	}
	return "[" + strings.Join(names, ", ") + "]"
}
