package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/internal/web"
)

// maxExports is how many exports are made or sent at a time: each has a file
// on the disk until it is sent.
const maxExports = 8

// The headers of an export.
const (
	cursorHeader  = "X-Crossdock-Cursor"
	rowsHeader    = "X-Crossdock-Rows"
	deletedHeader = "X-Crossdock-Deleted"
)

// registerExports adds the download of all rows of an entity. It may take
// longer than an operation may, so that it is a handler of its own with a
// description written by hand.
func (s *server) registerExports(api huma.API) {
	text := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	yes := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: huma.TypeBoolean, Default: false}}
	}
	format := text("format", "What the rows are written as")
	format.Schema.Default = "csv"
	content := map[string]*huma.MediaType{}
	for _, f := range s.Hub.Formats {
		format.Schema.Enum = append(format.Schema.Enum, f.Name)
		content[f.MediaType] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	entity := &huma.Param{Name: "entity", In: "path", Required: true, Description: "What the rows are", Schema: &huma.Schema{Type: huma.TypeString}}
	for _, e := range s.Hub.Registry.Entities() {
		entity.Schema.Enum = append(entity.Schema.Enum, e.Name)
	}
	header := func(kind, doc string) *huma.Header {
		return &huma.Header{Description: doc, Schema: &huma.Schema{Type: kind}}
	}
	problem := func(doc string) *huma.Response {
		return &huma.Response{Description: doc, Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[huma.ErrorModel]())},
		}}
	}
	op := &huma.Operation{
		OperationID: "export-rows", Method: http.MethodGet, Path: "/v1/exports/{entity}", Tags: []string{"exports"},
		Summary: "Download the rows of an entity, all of one moment",
		Description: "The rows come in the order of their keys. An answer of 200 is whole: it is written to the disk first. " +
			"Pass the " + cursorHeader + " of an answer as since to get what has changed behind it, and what was deleted, as rows whose deleted is true.",
		Parameters: []*huma.Param{
			entity, format,
			text("since", "The "+cursorHeader+" of an answer before"),
			text("fields", "Fields or columns beside the key, separated by commas, in this order; else all"),
			yes("raw", "Leave text in CSV as it is where a spreadsheet takes it for a formula"),
			yes("bom", "Begin CSV with a byte order mark, which Excel needs"),
		},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "The rows", Content: content,
				Headers: map[string]*huma.Header{
					cursorHeader:  header(huma.TypeString, "Where the next export goes on"),
					rowsHeader:    header(huma.TypeInteger, "How many rows there are"),
					deletedHeader: header(huma.TypeInteger, "How many of them say that a row was deleted"),
				},
			},
			"400": problem("A parameter is wrong"),
			"404": problem("There is no such entity"),
			"410": problem("What was deleted since the cursor is no longer known: take all rows"),
			"503": problem("Too many exports at a time"),
		},
	}
	api.OpenAPI().AddOperation(op)
	api.Adapter().Handle(op, api.Middlewares().Handler(func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		s.export(w, r)
	}))
}

// export answers with the rows. The context is that of the request itself,
// which ends when the client leaves.
func (s *server) export(w http.ResponseWriter, r *http.Request) {
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		web.WriteProblem(w, http.StatusServiceUnavailable, fmt.Sprintf("%d exports are being made: try again in a minute", maxExports), "")
		return
	}
	x, format, err := s.exportOf(r)
	if err != nil {
		s.refuseExport(w, r, err)
		return
	}
	file, done, err := s.writeExport(r.Context(), x)
	if err != nil {
		s.refuseExport(w, r, err)
		return
	}
	defer file.Close() // it has no name, and is gone with this
	h := w.Header()
	h.Set("Content-Type", format.MediaType)
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s%s"`, done.Entity, format.Extension))
	h.Set("Content-Length", strconv.FormatInt(file.size, 10))
	h.Set(cursorHeader, done.Cursor)
	h.Set(rowsHeader, strconv.FormatInt(done.Rows, 10))
	h.Set(deletedHeader, strconv.FormatInt(done.Deleted, 10))
	out := &patientWriter{w, http.NewResponseController(w), s.Hub.Clock}
	if _, err := io.Copy(out, io.NewSectionReader(file, 0, file.size)); err != nil {
		s.Log.WarnContext(r.Context(), "send an export", "entity", done.Entity, "error", err)
	}
}

// exportOf reads the parameters of a request. Those that there are not were
// refused before.
func (s *server) exportOf(r *http.Request) (x hub.RowsExport, f connectors.Format, err error) {
	query := r.URL.Query()
	x = hub.RowsExport{Entity: r.PathValue("entity"), Format: "csv", Since: query.Get("since")}
	if query.Has("format") {
		x.Format = query.Get("format")
	}
	if query.Has("fields") {
		x.Fields = strings.Split(query.Get("fields"), ",")
	}
	for name, into := range map[string]*bool{"raw": &x.Raw, "bom": &x.Mark} {
		if !query.Has(name) {
			continue
		}
		if *into, err = strconv.ParseBool(query.Get(name)); err != nil {
			return x, f, &hub.ExportFault{Part: name, Message: "must be true or false"}
		}
	}
	f, err = s.Hub.Format(x.Format)
	return x, f, err
}

func (s *server) refuseExport(w http.ResponseWriter, r *http.Request, err error) {
	fault, ok := errors.AsType[*hub.ExportFault](err)
	switch {
	case ok && fault.Part == "entity":
		web.WriteProblem(w, http.StatusNotFound, fault.Message, "path.entity")
	case ok:
		web.WriteProblem(w, http.StatusBadRequest, "query."+fault.Error(), "query."+fault.Part)
	case errors.Is(err, hub.ErrCursorGone):
		web.WriteProblem(w, http.StatusGone, err.Error(), "query.since")
	default:
		web.WriteError(w, r, err)
	}
}

// A spooled export is a file without a name. Were rows sent as they are read,
// a slow client would keep the database from tidying up behind it, and what
// fails in the middle would be half an answer.
type spooled struct {
	*os.File
	size int64
}

func (s *server) writeExport(ctx context.Context, x hub.RowsExport) (*spooled, hub.Exported, error) {
	file, err := os.CreateTemp(s.Hub.Dir, ".export-*")
	if err != nil {
		return nil, hub.Exported{}, err
	}
	err = os.Remove(file.Name())
	var done hub.Exported
	if err == nil {
		done, err = s.Hub.ExportRows(ctx, file, x)
	}
	out := &spooled{File: file}
	if err == nil {
		out.size, err = file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return nil, done, errors.Join(err, file.Close())
	}
	return out, done, nil
}

// A patientWriter gives the client a while for each piece of the answer,
// however long the whole may take.
type patientWriter struct {
	io.Writer
	connection *http.ResponseController
	clock      func() time.Time
}

func (w *patientWriter) Write(p []byte) (int, error) {
	// Without a connection that has deadlines, as in tests, there is none.
	_ = w.connection.SetWriteDeadline(w.clock().Add(stallsAfter))
	return w.Writer.Write(p)
}
