package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// maxBody bounds one call: batches have up to 8,000 rows.
const maxBody = 256 << 20

// A Backend is a service as the hub uses it.
type Backend interface {
	Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error)
	Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error)
	Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error)
	Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error)
	Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error)
	Known(ctx context.Context, entity string, keys []string) ([]bool, error)
	Holders(ctx context.Context, entity, field string, values []string) ([]string, error)
	commerce.Feed
}

// Routes adds to mux what a [Caller] of the service of that name calls.
func Routes(mux *http.ServeMux, name string, backend Backend) {
	at := "POST /internal/" + name + "/{entity}/"
	mux.HandleFunc(at+"batches/{run}/{seq}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := batchID(w, r)
		if !ok {
			return
		}
		withBatch(w, r, func(b *schemas.Batch) (any, error) { return backend.Apply(r.Context(), id, b) })
	})
	mux.HandleFunc(at+"plans", func(w http.ResponseWriter, r *http.Request) {
		withBatch(w, r, func(b *schemas.Batch) (any, error) { return backend.Plan(r.Context(), b) })
	})
	mux.HandleFunc(at+"differences", func(w http.ResponseWriter, r *http.Request) {
		withBatch(w, r, func(b *schemas.Batch) (any, error) {
			outcome, differences, err := backend.Diff(r.Context(), b)
			return diffAnswer{outcome, differences}, err
		})
	})
	mux.HandleFunc(at+"reverts/{run}/{seq}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := batchID(w, r)
		if !ok {
			return
		}
		withQuestion(w, r, func(q schemas.RevertRequest) (any, error) {
			q.Entity = r.PathValue("entity")
			return backend.Revert(r.Context(), id, q)
		})
	})
	mux.HandleFunc("POST /internal/"+name+"/events", func(w http.ResponseWriter, r *http.Request) {
		withQuestion(w, r, func(q commerce.EventQuery) (any, error) { return backend.Events(r.Context(), q) })
	})
	mux.HandleFunc(at+"rows", func(w http.ResponseWriter, r *http.Request) { serveRows(w, r, backend) })
	mux.HandleFunc(at+"known", func(w http.ResponseWriter, r *http.Request) {
		withQuestion(w, r, func(q knownQuestion) (any, error) {
			known, err := backend.Known(r.Context(), r.PathValue("entity"), q.Keys)
			return knownAnswer{known}, err
		})
	})
	mux.HandleFunc(at+"holders", func(w http.ResponseWriter, r *http.Request) {
		withQuestion(w, r, func(q holdersQuestion) (any, error) {
			holders, err := backend.Holders(r.Context(), r.PathValue("entity"), q.Field, q.Values)
			return holdersAnswer{holders}, err
		})
	})
}

func batchID(w http.ResponseWriter, r *http.Request) (_ schemas.BatchID, ok bool) {
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil {
		web.WriteProblem(w, http.StatusBadRequest, "is not the number of a batch", "path.seq")
		return schemas.BatchID{}, false
	}
	id := schemas.BatchID{Run: r.PathValue("run"), Seq: seq}
	if turn := r.URL.Query().Get("turn"); turn != "" {
		id.Turn.Of = r.URL.Query().Get("pipeline")
		if id.Turn.Number, err = strconv.ParseInt(turn, 10, 64); err != nil || id.Turn.Number < 1 || id.Turn.Of == "" {
			web.WriteProblem(w, http.StatusBadRequest, "is not the turn of a pipeline", "query.turn")
			return id, false
		}
	}
	return id, true
}

func withBatch(w http.ResponseWriter, r *http.Request, do func(*schemas.Batch) (any, error)) {
	entity, err := schemas.Default().Entity(r.PathValue("entity"))
	if err != nil {
		web.WriteProblem(w, http.StatusNotFound, err.Error(), "path.entity")
		return
	}
	b, err := decode(entity, http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuseBody(w, err)
		return
	}
	reply(w, r, func() (any, error) { return do(b) })
}

func withQuestion[Q any](w http.ResponseWriter, r *http.Request, do func(Q) (any, error)) {
	var q Q
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		refuseBody(w, err)
		return
	}
	reply(w, r, func() (any, error) { return do(q) })
}

func refuseBody(w http.ResponseWriter, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		web.WriteProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("is larger than %d MiB", maxBody>>20), "body")
		return
	}
	web.WriteProblem(w, http.StatusBadRequest, err.Error(), "body")
}

// writeError answers with an error, of which the other side makes it again.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, schemas.ErrOvertaken) {
		web.WriteProblem(w, http.StatusPreconditionFailed, err.Error(), "")
		return
	}
	if errors.Is(err, schemas.ErrHistoryGone) {
		web.WriteProblem(w, http.StatusGone, err.Error(), "")
		return
	}
	if store.Lost(err) {
		web.Note(r.Context(), err)
		web.WriteProblem(w, http.StatusServiceUnavailable, "has lost its database, and looks for it", "")
		return
	}
	web.WriteError(w, r, err)
}

func reply(w http.ResponseWriter, r *http.Request, do func() (any, error)) {
	answer, err := do()
	if err != nil {
		writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // whoever does not read it is gone
}
