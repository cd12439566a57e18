// Package api is the hub over HTTP: files go in, runs and their errors come
// out. Begin with [Register].
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/web"
)

// Config is what the API needs.
type Config struct {
	Hub *hub.Hub
	Log *slog.Logger
	// MaxUploadBytes bounds one uploaded file; 0: 2 GiB.
	MaxUploadBytes int64
}

type server struct {
	Config
	uploads chan struct{} // one for each that is being received
	exports chan struct{} // one for each that is being made or sent
}

// Register adds the hub's operations to an API.
func Register(api huma.API, cfg Config) {
	if cfg.MaxUploadBytes == 0 {
		cfg.MaxUploadBytes = 2 << 30
	}
	s := &server{Config: cfg, uploads: make(chan struct{}, maxUploads), exports: make(chan struct{}, maxExports)}
	s.registerImports(api)
	s.registerExports(api)
	s.registerSuggestions(api)
	s.registerErrors(api)
	s.registerMending(api)
	s.registerMended(api)
	web.Register(api, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: "/v1/runs", Tags: []string{"runs"},
		Summary: "List runs, newest first",
	}, s.listRuns)
	web.Register(api, huma.Operation{
		OperationID: "get-run", Method: http.MethodGet, Path: "/v1/runs/{id}", Tags: []string{"runs"},
		Summary: "Get a run with its row counts",
	}, s.getRun)
	web.Register(api, huma.Operation{
		OperationID: "list-run-errors", Method: http.MethodGet, Path: "/v1/runs/{id}/errors", Tags: []string{"runs"},
		Summary: "List the rejected rows of a run that are still open",
	}, s.listErrors)
	web.Register(api, huma.Operation{
		OperationID: "download-run-errors", Method: http.MethodGet, Path: "/v1/runs/{id}/errors.xlsx", Tags: []string{"runs"},
		Summary:     "Download the rejected rows of a run as a workbook",
		Description: "The rows have the layout of the file they came from; the wrong cells are marked, and what is wrong stands beside each row.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The workbook",
			Content:     map[string]*huma.MediaType{xlsxType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		}},
	}, s.downloadErrors)
	s.registerApprove(api)
	s.registerQuality(api)
	describeCells(api)
}

// describeCells says what the cells of a row look like in an answer: an object
// by column, which their Go type does not show.
func describeCells(api huma.API) {
	if cells := api.OpenAPI().Components.Schemas.Map()["Cells"]; cells != nil {
		*cells = huma.Schema{
			Type: huma.TypeObject, Description: "The row as it was read, by column; null is an empty cell.",
			AdditionalProperties: &huma.Schema{Type: huma.TypeString, Nullable: true},
		}
	}
}

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// A Run is a run as clients see it.
type Run struct {
	ID        string  `json:"run" example:"20261121-141058-k7qd" doc:"Id of the run"`
	Pipeline  string  `json:"pipeline" example:"acme-catalog"`
	Entity    string  `json:"entity" example:"product"`
	Cause     string  `json:"cause" enum:"command,upload,schedule,replay,mended,revert"`
	Status    string  `json:"status" enum:"queued,running,succeeded,partial,failed,stopped,held" doc:"partial: finished, and some rows were rejected; held: a guard waits for an approval"`
	Read      int64   `json:"read" doc:"Rows read: applied + unchanged + rejected + skipped"`
	Applied   int64   `json:"applied" doc:"Rows created, changed or deleted"`
	Unchanged int64   `json:"unchanged" doc:"Rows that the target held already"`
	Rejected  int64   `json:"rejected" doc:"Rows refused by a rule or a service"`
	Skipped   int64   `json:"skipped" doc:"Blank rows, and rows that the pipeline's filter passes over"`
	Quality   float64 `json:"quality,omitempty" doc:"How good the rows were, from 0 to 100; absent where none was judged"`
	Warned    int64   `json:"warned" doc:"Findings that did not keep their row back"`
	Waiting   int64   `json:"waiting" doc:"Of the rejected rows those that were parked to wait for what they refer to"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"rows_per_second"`
	Input     string  `json:"input,omitempty" doc:"Name of the uploaded file"`
	Error     string  `json:"error,omitempty" doc:"Why it failed, was stopped, is held or waits"`
	Guard     string  `json:"guard,omitempty" doc:"The guard that holds it"`
	Approved  string  `json:"approved_by,omitempty" doc:"Who approved it when it was held"`
	Started   string  `json:"started_at" format:"date-time"`
	Finished  string  `json:"finished_at,omitempty" format:"date-time"`
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func (s *server) view(r journal.Run) Run {
	v := Run{
		ID: r.ID, Pipeline: r.Pipeline, Entity: r.Entity, Cause: r.Cause, Status: string(r.Status),
		Read: r.Read, Applied: r.Applied, Unchanged: r.Unchanged, Rejected: r.Rejected, Skipped: r.Skipped, Warned: r.Warned, Waiting: r.Waiting,
		Seconds: r.Seconds(s.Hub.Clock()), Input: r.InputName, Error: r.Error, Guard: r.Guard, Approved: r.ApprovedBy, Started: r.Started.Format(timeFormat),
	}
	if r.Score != nil {
		v.Quality = float64(*r.Score) / 10
	}
	if v.Seconds > 0 {
		v.Rate = float64(r.Read) / v.Seconds
	}
	if !r.Finished.IsZero() {
		v.Finished = r.Finished.Format(timeFormat)
	}
	return v
}

type runResponse struct{ Body Run }

type runList struct {
	Body struct {
		Items []Run `json:"items"`
	}
}

func (s *server) listRuns(ctx context.Context, in *struct {
	Pipeline string `query:"pipeline" doc:"Runs of this pipeline alone"`
	Status   string `query:"status" enum:"queued,running,succeeded,partial,failed,stopped,held" doc:"Runs in this state alone"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Most runs to return"`
},
) (*runList, error) {
	runs, err := s.Hub.Journal().Runs(ctx, journal.RunFilter{Pipeline: in.Pipeline, Status: journal.Status(in.Status), Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	list := &runList{}
	list.Body.Items = make([]Run, len(runs))
	for i, r := range runs {
		list.Body.Items[i] = s.view(r)
	}
	return list, nil
}

// A RunPath is the part of an address that names a run.
type RunPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the run"`
}

func (s *server) getRun(ctx context.Context, in *RunPath) (*runResponse, error) {
	run, err := s.run(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &runResponse{s.view(run)}, nil
}

func (s *server) run(ctx context.Context, id string) (journal.Run, error) {
	run, err := s.Hub.Journal().Run(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return run, huma.Error404NotFound(fmt.Sprintf("there is no run %q", id))
	}
	return run, err
}

type errorList struct {
	Body struct {
		Items []journal.Error `json:"items"`
		Next  string          `json:"next_cursor,omitempty" doc:"Pass it as cursor to go on; absent at the end"`
	}
}

func (s *server) listErrors(ctx context.Context, in *struct {
	RunPath
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most rows to return; a row has an entry for each thing that is wrong with it"`
	After string `query:"cursor" pattern:"^[0-9]{1,18}$" doc:"Go on behind the page that returned this as next_cursor"`
},
) (*errorList, error) {
	if _, err := s.run(ctx, in.ID); err != nil {
		return nil, err
	}
	after, err := strconv.ParseInt("0"+in.After, 10, 64)
	if err != nil {
		return nil, huma.Error400BadRequest("cursor is not a value that next_cursor has given")
	}
	rows, err := s.Hub.Journal().Rows(ctx, journal.ErrorFilter{Run: in.ID, After: after, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	list := &errorList{}
	list.Body.Items = []journal.Error{}
	for _, r := range rows {
		list.Body.Items = append(list.Body.Items, r.Errors()...)
	}
	if len(rows) == in.Limit {
		list.Body.Next = strconv.FormatInt(rows[len(rows)-1].ID, 10)
	}
	return list, nil
}

func (s *server) downloadErrors(ctx context.Context, in *RunPath) (*huma.StreamResponse, error) {
	if _, err := s.run(ctx, in.ID); err != nil {
		return nil, err
	}
	return s.download(ctx, journal.ErrorFilter{Run: in.ID}, "errors-"+in.ID+".xlsx", xlsxType, s.Hub.ExportXLSX)
}
