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

// registerApprove adds the approval of held runs, and the way back from runs.
func (s *server) registerApprove(api huma.API) {
	const path = "/v1/runs/{id}"
	web.Register(api, huma.Operation{
		OperationID: "approve-run", Method: http.MethodPost, Path: path, Tags: []string{"runs"},
		Summary: "Approve a run that a guard holds", DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
		Description: "Runs exactly that run, with the guard that holds it lifted: the same text of the pipeline, the same files. " +
			"Where one of them has changed since, 409 says which.",
	}, s.actOnRun)
	// The mux knows whole segments alone, so that the verb is told apart by the
	// handler; the document shows it where it belongs.
	paths := api.OpenAPI().Paths
	paths[path+approveVerb] = &huma.PathItem{Post: paths[path].Post}
	revert := *paths[path].Post
	revert.OperationID, revert.Summary = "revert-run", "Put back what a run has changed"
	revert.Description = "Puts rows back to what they were before the run, where nothing newer has changed them since. " +
		"It is itself a run, of cause `revert`: its `rejected` are the rows that are kept as they are."
	paths[path+revertVerb] = &huma.PathItem{Post: &revert}
	paths[path].Post = nil
}

// What can be done with a run.
const (
	approveVerb = ":approve"
	revertVerb  = ":revert"
)

// An Approval says who asks for it.
type Approval struct {
	By string `json:"by" minLength:"1" maxLength:"200" doc:"Who asks for it"`
}

func (s *server) actOnRun(ctx context.Context, in *struct {
	RunPath
	Body Approval
},
) (*runResponse, error) {
	do := s.Hub.QueueApproved
	id, ok := strings.CutSuffix(in.ID, approveVerb)
	if !ok {
		do = s.Hub.QueueRevert
		if id, ok = strings.CutSuffix(in.ID, revertVerb); !ok {
			return nil, huma.Error404NotFound(fmt.Sprintf("there is no such operation: POST /v1/runs/{id}%s approves a run, and /v1/runs/{id}%s puts one back",
				approveVerb, revertVerb))
		}
	}
	run, err := do(ctx, id, in.Body.By)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no run %q", id))
	case errors.Is(err, hub.ErrNotHeld), errors.Is(err, hub.ErrNotTheSame), errors.Is(err, hub.ErrNotRevertible):
		return nil, huma.Error409Conflict(err.Error())
	case err != nil:
		return nil, err
	}
	return &runResponse{s.view(run)}, nil
}
