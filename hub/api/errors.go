package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/web"
)

// registerErrors adds what reads the error queue.
func (s *server) registerErrors(api huma.API) {
	tags := []string{"errors"}
	web.Register(api, huma.Operation{
		OperationID: "list-errors", Method: http.MethodGet, Path: "/v1/errors", Tags: tags,
		Summary: "List what was rejected, oldest first: an entry for each thing that is wrong with a row",
	}, s.listQueue)
	web.Register(api, huma.Operation{
		OperationID: "get-error", Method: http.MethodGet, Path: "/v1/errors/{id}", Tags: tags,
		Summary: "Get an error with its row, as it was read and as it was edited",
	}, s.getError)
	web.Register(api, huma.Operation{
		OperationID: "get-error-history", Method: http.MethodGet, Path: historyPattern, Tags: tags,
		Summary: "List what people did to the row of an error, oldest first",
	}, s.getHistory)
	documentAs(api, historyPattern, "/v1/errors/{id}/history", func(item *huma.PathItem) { forgetParameter(item.Get, "part") })
	web.Register(api, huma.Operation{
		OperationID: "list-error-groups", Method: http.MethodGet, Path: "/v1/errors/groups", Tags: tags,
		Summary: "List the problems of the error queue, the largest first: what has the same rule, field and shape of value",
	}, s.listGroups)
	web.Register(api, huma.Operation{
		OperationID: "get-error-group", Method: http.MethodGet, Path: "/v1/errors/groups/{id}", Tags: tags,
		Summary: "Get a problem with its distinct values",
	}, s.getGroup)
	for format, export := range map[string]func(context.Context, io.Writer, journal.ErrorFilter) (int64, error){"xlsx": s.Hub.ExportXLSX, "csv": s.Hub.ExportCSV} {
		web.Register(api, huma.Operation{
			OperationID: "download-errors-" + format, Method: http.MethodGet, Path: "/v1/errors." + format, Tags: tags,
			Summary:     "Download rejected rows in the layout of the file they came from, to be mended and sent to /v1/errors:import",
			Description: "The wrong cells are marked in a workbook, and what is wrong stands beside each row. A CSV file takes rows of one layout.",
			Responses: map[string]*huma.Response{"200": {
				Description: "The file",
				Content:     map[string]*huma.MediaType{formatType(format): {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
			}},
		}, func(ctx context.Context, in *ErrorQuery) (*huma.StreamResponse, error) {
			filter, err := s.filter(ctx, in)
			if err != nil {
				return nil, err
			}
			return s.download(ctx, filter, "errors."+format, formatType(format), export)
		})
	}
}

// historyPattern is what net/http can tell from /v1/errors/groups/{id}.
const historyPattern = "/v1/errors/{id}/{part}"

// documentAs moves an operation in the API document to the address that
// clients shall use, where patterns of net/http cannot say it.
func documentAs(api huma.API, pattern, path string, change func(*huma.PathItem)) {
	paths := api.OpenAPI().Paths
	change(paths[pattern])
	paths[path] = paths[pattern]
	delete(paths, pattern)
}

func forgetParameter(op *huma.Operation, name string) {
	op.Parameters = slices.DeleteFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

func formatType(format string) string {
	if format == "csv" {
		return "text/csv; charset=utf-8"
	}
	return xlsxType
}

// An ErrorQuery chooses rows of the error queue.
type ErrorQuery struct {
	Pipeline string `query:"pipeline" maxLength:"100" doc:"Rows of this pipeline alone"`
	Run      string `query:"run" maxLength:"64" doc:"Rows that this run has parked"`
	Status   string `query:"status" enum:"open,waiting,replayed,discarded,superseded,noted" default:"open" doc:"Rows in this state alone; noted: they drew warnings and went on"`
	Group    string `query:"group" maxLength:"20" doc:"Rows of this problem"`
	Assignee string `query:"assignee" maxLength:"100" doc:"Rows that this person is to mend"`
	Key      string `query:"key" maxLength:"1000" doc:"Rows of this key of the entity"`
	Words    string `query:"q" maxLength:"200" doc:"Rows whose key, value or message has this in it"`
}

// filter returns the filter of a query. What there is not is refused: that it
// has no errors would be taken for good news.
func (s *server) filter(ctx context.Context, in *ErrorQuery) (journal.ErrorFilter, error) {
	f := journal.ErrorFilter{
		Pipeline: in.Pipeline, Run: in.Run, Status: journal.RowStatus(in.Status), Group: in.Group,
		Assignee: in.Assignee, Key: in.Key, Words: in.Words,
	}
	if in.Run != "" {
		if _, err := s.run(ctx, in.Run); err != nil {
			return f, err
		}
	}
	if in.Group != "" {
		if _, err := s.Hub.Journal().Group(ctx, in.Group); err != nil {
			return f, answerTo(err)
		}
	}
	return f, s.knownPipeline(ctx, in.Pipeline)
}

func (s *server) knownPipeline(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	_, err := s.Hub.Find(ctx, name)
	if errors.Is(err, hub.ErrUnknownPipeline) {
		return &web.Fault{Code: http.StatusNotFound, Place: "pipeline", Message: err.Error()}
	}
	return nil // one that cannot be loaded may have errors all the same
}

func (s *server) listQueue(ctx context.Context, in *struct {
	ErrorQuery
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most rows to return; a row has an entry for each thing that is wrong with it"`
	Cursor string `query:"cursor" maxLength:"100" doc:"Go on behind the page that returned this as next_cursor"`
},
) (*errorList, error) {
	filter, err := s.filter(ctx, &in.ErrorQuery)
	if err != nil {
		return nil, err
	}
	if err := web.DecodeCursor(in.Cursor, &filter.After); err != nil {
		return nil, err
	}
	filter.Limit = in.Limit
	rows, err := s.Hub.Journal().Rows(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := &errorList{}
	list.Body.Items = []journal.Error{}
	for _, r := range rows {
		list.Body.Items = append(list.Body.Items, r.Errors()...)
	}
	if len(rows) == in.Limit {
		list.Body.Next = web.EncodeCursor(rows[len(rows)-1].ID)
	}
	return list, nil
}

// An ErrorPath is the part of an address that names an error.
type ErrorPath struct {
	ID int64 `path:"id" minimum:"1" doc:"Id of the error"`
}

// An errorOutput is one error, with the revision of its row as ETag.
type errorOutput struct {
	ETag string `header:"ETag"`
	Body errorView
}

type errorView struct {
	journal.Error
	Edit *hub.EditReport `json:"edit,omitempty" doc:"What the request has changed, and whether the row would pass now"`
}

func viewError(row *journal.Row, id int64) *errorOutput {
	out := &errorOutput{ETag: etag(row)}
	all := row.Errors()
	at := max(0, slices.IndexFunc(all, func(e journal.Error) bool { return e.ID == id }))
	out.Body.Error = all[at]
	return out
}

func etag(row *journal.Row) string { return strconv.Quote(strconv.FormatInt(row.Revision, 10)) }

func (s *server) getError(ctx context.Context, in *ErrorPath) (*errorOutput, error) {
	row, err := s.Hub.Journal().RowOf(ctx, in.ID)
	if err != nil {
		return nil, answerTo(err)
	}
	return viewError(row, in.ID), nil
}

type historyOutput struct {
	Body struct {
		Items []journal.Entry `json:"items"`
	}
}

func (s *server) getHistory(ctx context.Context, in *struct {
	ErrorPath
	Part string `path:"part" maxLength:"20"`
},
) (*historyOutput, error) {
	if in.Part != "history" {
		return nil, huma.Error404NotFound("there is no such address: an error has a history alone")
	}
	row, err := s.Hub.Journal().RowOf(ctx, in.ID)
	if err != nil {
		return nil, answerTo(err)
	}
	out := &historyOutput{}
	out.Body.Items, err = s.Hub.Journal().History(ctx, row)
	return out, err
}

type groupList struct {
	Body struct {
		Items []journal.Group `json:"items"`
		Total int             `json:"total" doc:"How many problems there are, on all pages"`
		Next  string          `json:"next_cursor,omitempty" doc:"Pass it as cursor to go on; absent at the end"`
	}
}

func (s *server) listGroups(ctx context.Context, in *struct {
	Pipeline string `query:"pipeline" maxLength:"100" doc:"Problems of this pipeline alone"`
	Run      string `query:"run" maxLength:"64" doc:"Problems of rows that this run has parked"`
	Assignee string `query:"assignee" maxLength:"100" doc:"Problems of rows that this person is to mend"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most problems to return, the largest first"`
	Cursor   string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
},
) (*groupList, error) {
	var after groupCursor
	if err := web.DecodeCursor(in.Cursor, &after); err != nil {
		return nil, err
	}
	filter, err := s.filter(ctx, &ErrorQuery{Pipeline: in.Pipeline, Run: in.Run, Assignee: in.Assignee})
	if err != nil {
		return nil, err
	}
	groups, err := s.Hub.Journal().Groups(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &groupList{}
	out.Body.Total = len(groups)
	// By what comes after the last one given, not by its place, so that problems
	// which come and go between two pages neither hide others nor show them twice.
	groups = slices.DeleteFunc(groups, func(g journal.Group) bool { return !after.isBefore(&g) })
	out.Body.Items = append([]journal.Group{}, groups[:min(len(groups), in.Limit)]...)
	if len(groups) > in.Limit {
		last := &groups[in.Limit-1]
		out.Body.Next = web.EncodeCursor(groupCursor{last.Rows, last.ID})
	}
	return out, nil
}

// A groupCursor is where a list of groups goes on: they stand in it by falling
// number of rows, and by id.
type groupCursor struct {
	Rows int64
	ID   string
}

func (c *groupCursor) isBefore(g *journal.Group) bool {
	return c.ID == "" || g.Rows < c.Rows || g.Rows == c.Rows && g.ID > c.ID
}

// A GroupPath is the part of an address that names a group of errors.
type GroupPath struct {
	ID string `path:"id" maxLength:"20" doc:"Id of the group"`
}

type groupOutput struct {
	Body struct {
		journal.Group
		Distinct int64              `json:"distinct" doc:"How many distinct values there are"`
		Values   []journal.BadValue `json:"values" doc:"The most frequent of them"`
		Edit     *hub.EditReport    `json:"edit,omitempty" doc:"What the request has changed, and how many rows would pass now"`
	}
}

// groupValues bounds the distinct values of a group that are answered.
const groupValues = 50

func (s *server) getGroup(ctx context.Context, in *GroupPath) (*groupOutput, error) {
	out := &groupOutput{}
	var err error
	if out.Body.Group, err = s.Hub.Journal().Group(ctx, in.ID); err != nil {
		return nil, answerTo(err)
	}
	out.Body.Values, out.Body.Distinct, err = s.Hub.Journal().BadValues(ctx, in.ID, groupValues)
	if out.Body.Values == nil {
		out.Body.Values = []journal.BadValue{}
	}
	return out, err
}

// download writes an export to a file before it answers, so that a failure is
// an error and not half an answer.
func (s *server) download(ctx context.Context, filter journal.ErrorFilter, name, media string,
	export func(context.Context, io.Writer, journal.ErrorFilter) (int64, error),
) (*huma.StreamResponse, error) {
	file, err := os.CreateTemp(s.Hub.Dir, ".errors-*.xlsx")
	if err != nil {
		return nil, err
	}
	// It has no name from here on, and is gone when it is closed, or the process is.
	err = os.Remove(file.Name())
	if err == nil {
		_, err = export(ctx, file, filter)
	}
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("export %s: %w", name, answerTo(err)), file.Close())
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer file.Close()
		hc.SetHeader("Content-Type", media)
		hc.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename=%q`, name))
		hc.SetHeader("Content-Length", strconv.FormatInt(size, 10))
		if _, err := io.Copy(hc.BodyWriter(), io.NewSectionReader(file, 0, size)); err != nil {
			s.Log.WarnContext(ctx, "send errors", "file", name, "error", err)
		}
	}}, nil
}

// answerTo returns the answer to an error that is the client's to mend, and any
// other as it is.
func answerTo(err error) error {
	switch refusal, ok := errors.AsType[*hub.Refusal](err); {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrNotFound), errors.Is(err, journal.ErrNoGroup):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, journal.ErrNotOpen), errors.Is(err, journal.ErrChanged), errors.Is(err, hub.ErrRunning):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, hub.ErrUnknownPipeline):
		return huma.Error404NotFound(err.Error())
	case ok:
		return huma.Error422UnprocessableEntity(refusal.Error())
	}
	return err
}
