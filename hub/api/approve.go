package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/web"
)

// registerApprove adds the approval of held runs.
func (s *server) registerApprove(api huma.API) {
	const path = "/v1/runs/{id}"
	web.Register(api, huma.Operation{
		OperationID: "approve-run", Method: http.MethodPost, Path: path, Tags: []string{"runs"},
		Summary: "Approve a run that a guard holds", DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
		Description: "Runs exactly that run, with the guard that holds it lifted: the same text of the pipeline, the same files. " +
			"Where one of them has changed since, 409 says which.",
	}, s.approveRun)
	// The mux knows whole segments alone, so that the verb is told apart by the
	// handler; the document shows it where it belongs.
	paths := api.OpenAPI().Paths
	paths[path+approveVerb] = &huma.PathItem{Post: paths[path].Post}
	paths[path].Post = nil
}

const approveVerb = ":approve"

// An Approval says who approves.
type Approval struct {
	By string `json:"by" minLength:"1" maxLength:"200" doc:"Who approves the run"`
}

func (s *server) approveRun(ctx context.Context, in *struct {
	RunPath
	Body Approval
},
) (*runResponse, error) {
	id, ok := strings.CutSuffix(in.ID, approveVerb)
	if !ok {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no such operation: POST /v1/runs/{id}%s approves a run", approveVerb))
	}
	run, err := s.Hub.QueueApproved(ctx, id, in.Body.By)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no run %q", id))
	case errors.Is(err, hub.ErrNotHeld), errors.Is(err, hub.ErrNotTheSame):
		return nil, huma.Error409Conflict(err.Error())
	case err != nil:
		return nil, err
	}
	return &runResponse{s.view(run)}, nil
}
