package hub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines"
	"crossdock/pipelines/suggest"
	"crossdock/schemas"
)

// sampledRows bounds what a proposal looks at: more rows would rarely tell more.
const sampledRows = 5000

// A SuggestRequest names a file that a pipeline is to be proposed for.
type SuggestRequest struct {
	Input    Input
	Entity   string         // "": it is guessed
	Settings map[string]any // of the connector, beside the path
	Dir      string         // where the pipeline will lie; "": the path stays as it is
}

// Suggest proposes a pipeline for a file. Nothing is written.
func (h *Hub) Suggest(ctx context.Context, req SuggestRequest) (*suggest.Proposal, error) {
	name := filepath.Base(req.Input.Path)
	if req.Input.Name != "" {
		name = req.Input.Name
	}
	kind, err := h.kindOf(&req.Input, name)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(req.Settings)
	if settings == nil {
		settings = map[string]any{}
	}
	settings["path"] = req.Input.Path
	env := connectors.Env{Dir: filepath.Dir(req.Input.Path), Names: map[string]string{req.Input.Path: name}}
	source, err := kind.New(settings, env)
	if pipelines.IsSetting(err) {
		return nil, &connectors.Error{
			Place: connectors.Place{Resource: name}, Message: "cannot be read as " + kind.Name, Err: err,
			Hint: "settings of the connector are given as in --source header=3; see: crossdock connectors describe " + kind.Name,
		}
	}
	if err != nil {
		return nil, err
	}
	table, err := sample(ctx, source, name)
	if err != nil {
		return nil, err
	}
	if table.Source, err = sourceLines(kind.Name, &req, name); err != nil {
		return nil, err
	}
	return suggest.Propose(h.Registry, table, req.Entity)
}

// sourceLines returns the source as the pipeline names it.
func sourceLines(connector string, req *SuggestRequest, name string) ([]suggest.Setting, error) {
	path := req.Input.Path
	if req.Input.Name != "" {
		path = name
	} else if req.Dir != "" {
		dir, err := filepath.Abs(req.Dir)
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(dir, path); err == nil {
			path = rel
		}
	}
	lines := []suggest.Setting{{Name: "connector", Value: connector}, {Name: "path", Value: path}}
	for _, setting := range slices.Sorted(maps.Keys(req.Settings)) {
		lines = append(lines, suggest.Setting{Name: setting, Value: req.Settings[setting]})
	}
	return lines, nil
}

// sample reads the first rows of the first stream of a source.
func sample(ctx context.Context, source connectors.Source, name string) (*suggest.Table, error) {
	streams, err := source.Discover(ctx)
	if err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, &connectors.Error{Place: connectors.Place{Resource: name}, Message: "there is nothing to read in it"}
	}
	reader, err := source.Open(ctx, connectors.ReadRequest{Stream: streams[0].Name, BatchRows: sampledRows})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	t := &suggest.Table{Name: name}
	for _, header := range streams[0].Columns {
		t.Columns = append(t.Columns, suggest.Column{Header: header})
	}
	for t.Rows < sampledRows {
		b, err := next(ctx, reader)
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		if int(b.Rows.NumCols()) != len(t.Columns) {
			return nil, &connectors.Error{Place: connectors.Place{Resource: name}, Message: "changed while it was read"}
		}
		addRows(t, b)
	}
	if t.Rows == 0 {
		return nil, &connectors.Error{
			Place: connectors.Place{Resource: name}, Message: "holds no rows below its header",
			Hint: "columns are recognised by what they hold: take a file with rows",
		}
	}
	return t, nil
}

func addRows(t *suggest.Table, b *connectors.Batch) {
	rows := min(int(b.Rows.NumRows()), sampledRows-t.Rows)
	for c := range t.Columns {
		column := &t.Columns[c]
		for row := range rows {
			text, _ := schemas.CellText(b.Rows.Column(c), row)
			column.Cells = append(column.Cells, strings.Clone(text))
			column.Kinds = append(column.Kinds, b.KindOf(c, row))
		}
	}
	t.Rows += rows
}

// kindOf returns the connector that reads a file, by what stands in it.
func (h *Hub) kindOf(in *Input, name string) (connectors.Type, error) {
	env := connectors.Env{Dir: filepath.Dir(in.Path), Names: map[string]string{in.Path: name}}
	files, err := connectors.FindMembers(env, in.Path, "")
	if err != nil {
		return connectors.Type{}, err
	}
	file, err := files[0].Open()
	if err != nil {
		return connectors.Type{}, err
	}
	defer file.Close()
	begin := make([]byte, 4096)
	n, err := io.ReadFull(file, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return connectors.Type{}, &connectors.Error{Place: connectors.Place{Resource: name}, Message: "cannot be read", Err: err}
	}
	what := formatOf(begin[:n])
	for _, t := range h.Types {
		if t.Name == what {
			return t, nil
		}
	}
	return connectors.Type{}, &connectors.Error{
		Place: connectors.Place{Resource: name}, Message: "holds " + what + ", which no connector here reads",
		Hint: "see: crossdock connectors list",
	}
}

// formatOf tells by how a file begins which connector reads it.
func formatOf(begin []byte) string {
	switch {
	case bytes.HasPrefix(begin, []byte("PK\x03\x04")), bytes.HasPrefix(begin, []byte("\xd0\xcf\x11\xe0")):
		return "excel" // also of the old kind: its reader says what to do
	case bytes.HasPrefix(begin, []byte("PAR1")):
		return "parquet"
	}
	text := bytes.TrimLeft(bytes.ReplaceAll(begin, []byte{0}, nil), "\xef\xbb\xbf\xfe\xff \t\r\n")
	switch {
	case len(text) == 0:
		return "csv"
	case text[0] == '{' || text[0] == '[':
		return "json"
	case text[0] == '<':
		return "xml"
	}
	return "csv"
}

// SuggestFor proposes a pipeline for an upload, which is not kept.
func (h *Hub) SuggestFor(ctx context.Context, u *Upload, entity string) (*suggest.Proposal, error) {
	return h.Suggest(ctx, SuggestRequest{Input: Input{Path: u.path, Name: u.Name}, Entity: entity})
}
