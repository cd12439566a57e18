package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"crossdock/commerce"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// linesType is a stream of JSON values, a line each.
const linesType = "application/x-ndjson"

// A rowsLine is one line of a stream of rows. The last one has Next or a
// Failure: a stream without it was cut off.
type rowsLine struct {
	Batch   *wireBatch `json:"batch,omitempty"`
	Next    *int64     `json:"next,omitempty"`
	Failure string     `json:"failure,omitempty"`
}

// Rows does what the service's Rows does.
func (c *Caller) Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	entity, err := schemas.Default().Entity(r.Entity)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the stream where fn fails
	defer cancel()
	question := request{method: http.MethodPost, path: c.internal(entity.Name, "rows"), body: body, limit: callTimeout, stream: true}
	got, err := c.line.ask(ctx, question)
	if err != nil {
		return 0, err
	}
	defer got.stream.Close()
	return c.readRows(entity, got.stream, fn)
}

func (c *Caller) readRows(entity *schemas.Entity, r io.Reader, fn func(*schemas.Batch) error) (int64, error) {
	for lines := json.NewDecoder(r); ; {
		var line rowsLine
		err := lines.Decode(&line)
		switch {
		case err != nil:
			return 0, c.line.away(fmt.Sprintf("has broken off the rows of %s: %s", entity.Name, err))
		case line.Failure != "":
			return 0, fmt.Errorf("rows of %s: %s", entity.Name, line.Failure)
		case line.Next != nil:
			return *line.Next, nil
		case line.Batch == nil:
			return 0, fmt.Errorf("rows of %s: a line holds no batch", entity.Name)
		}
		b, err := line.Batch.batch(entity)
		if err != nil {
			return 0, fmt.Errorf("rows of %s: %w", entity.Name, err)
		}
		err = fn(b)
		b.Rows.Release()
		if err != nil {
			return 0, err
		}
	}
}

// serveRows streams rows. What fails before the first line is a problem with
// its status; what fails later is the last line.
func serveRows(w http.ResponseWriter, r *http.Request, backend Backend) {
	var request schemas.RowsRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		refuseBody(w, err)
		return
	}
	request.Entity = r.PathValue("entity")
	begun := false
	write := func(line rowsLine) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", linesType)
		}
		return json.NewEncoder(w).Encode(line)
	}
	next, err := backend.Rows(r.Context(), request, func(b *schemas.Batch) error {
		wire := encode(b)
		return write(rowsLine{Batch: &wire})
	})
	switch {
	case err == nil:
		_ = write(rowsLine{Next: &next}) // whoever does not read it is gone
	case begun:
		_ = write(rowsLine{Failure: rowsFailure(r, err)}) // likewise
	default:
		writeError(w, r, err)
	}
}

// rowsFailure returns what the other side may read of an error.
func rowsFailure(r *http.Request, err error) string {
	if commerce.CodeOf(err) == commerce.Internal {
		web.Note(r.Context(), err)
		return "internal error; the log tells more under request " + web.RequestID(r.Context())
	}
	return err.Error()
}
