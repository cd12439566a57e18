package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub/journal"
	"crossdock/internal/web"
	"crossdock/pipelines"
)

// registerQuality adds what runs tell of their sources.
func (s *server) registerQuality(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "get-run-profile", Method: http.MethodGet, Path: "/v1/runs/{id}/profile", Tags: []string{"quality"},
		Summary: "Get what the columns of a run held",
	}, s.getProfile)
	web.Register(api, huma.Operation{
		OperationID: "list-quality", Method: http.MethodGet, Path: "/v1/quality", Tags: []string{"quality"},
		Summary: "List how good the rows of each source were, run by run",
	}, s.listQuality)
	web.Register(api, huma.Operation{
		OperationID: "list-drift", Method: http.MethodGet, Path: "/v1/drift", Tags: []string{"quality"},
		Summary: "List the columns that were no longer what they had been in earlier runs, newest first",
	}, s.listDrift)
}

type profileResponse struct{ Body *pipelines.Profile }

func (s *server) getProfile(ctx context.Context, in *RunPath) (*profileResponse, error) {
	if _, err := s.run(ctx, in.ID); err != nil {
		return nil, err
	}
	p, err := s.Hub.Profile(ctx, in.ID)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, huma.Error404NotFound(err.Error())
	}
	return &profileResponse{p}, err
}

// A SourceQuality is how good a source was, run by run.
type SourceQuality struct {
	Pipeline string       `json:"pipeline" example:"acme-catalog"`
	Source   string       `json:"source" example:"inbox/acme-2026.csv" doc:"The file or address; empty for the runs as a whole"`
	Runs     []RunQuality `json:"runs" doc:"The newest first"`
}

// A RunQuality is how good the rows of a source were in one run.
type RunQuality struct {
	Run     string  `json:"run" example:"20261121-141058-k7qd"`
	Started string  `json:"started_at" format:"date-time"`
	Score   float64 `json:"score" minimum:"0" maximum:"100" doc:"80 points for rows that were not rejected, less a quarter of a row for each that drew a warning; 20 for mapped cells that were filled"`
	pipelines.Tally
}

type qualityList struct {
	Body struct {
		Items []SourceQuality `json:"items"`
	}
}

func (s *server) listQuality(ctx context.Context, in *struct {
	Pipeline string `query:"pipeline" doc:"Runs of this pipeline alone"`
	Runs     int    `query:"runs" minimum:"1" maximum:"1000" default:"30" doc:"How many runs to look back"`
},
) (*qualityList, error) {
	sources, err := s.Hub.Quality(ctx, in.Pipeline, in.Runs)
	if err != nil {
		return nil, err
	}
	list := &qualityList{}
	list.Body.Items = make([]SourceQuality, len(sources))
	for i, source := range sources {
		view := SourceQuality{Pipeline: source.Pipeline, Source: source.Source}
		for _, r := range source.Runs {
			view.Runs = append(view.Runs, RunQuality{Run: r.Run, Started: r.Started, Score: float64(r.Score) / 10, Tally: r.Tally})
		}
		list.Body.Items[i] = view
	}
	return list, nil
}

type driftList struct {
	Body struct {
		Items []journal.Drift `json:"items"`
	}
}

func (s *server) listDrift(ctx context.Context, in *struct {
	Pipeline string `query:"pipeline" doc:"Of runs of this pipeline alone"`
	Run      string `query:"run" maxLength:"64" doc:"Of this run alone"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most entries to return"`
},
) (*driftList, error) {
	found, err := s.Hub.Journal().Drifts(ctx, in.Pipeline, in.Run, in.Limit)
	if err != nil {
		return nil, err
	}
	list := &driftList{}
	list.Body.Items = append([]journal.Drift{}, found...)
	return list, nil
}
