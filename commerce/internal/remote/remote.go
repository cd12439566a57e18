// Package remote carries the calls of the hub and of other services to a
// service in another process: [Caller] on the one side, [Routes] on the other.
// Batches travel as their selected rows alone.
//
// A service that does not answer is asked again a few times, and then left
// alone for a while; the error says that it is away, as [schemas.ErrAway] has
// it. All calls may be made again, since each does nothing twice.
//
// Routes trust whoever reaches them: who may do that is seen to before them.
package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"crossdock/commerce"
	"crossdock/schemas"
)

const jsonType = "application/json"

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// A Caller calls one service in another process.
type Caller struct {
	name string // of the service
	line line
}

// Dial returns a Caller of the service of that name. It connects when it is used.
func Dial(name string, peer commerce.Peer) *Caller {
	return &Caller{name: name, line: newLine(name, peer)}
}

// internal returns the path of an internal operation.
func (c *Caller) internal(entity string, parts ...string) string {
	path := []string{"/internal", c.name, url.PathEscape(entity)}
	for _, part := range parts {
		path = append(path, url.PathEscape(part))
	}
	return strings.Join(path, "/")
}

// Apply does what the service's Apply does. A call that failed may be made
// again with the same id: what was applied is not applied twice.
func (c *Caller) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	return c.send(ctx, c.internal(b.Entity.Name, "batches", id.Run, strconv.FormatInt(id.Seq, 10))+turnOf(id), b)
}

// Plan does what the service's Plan does.
func (c *Caller) Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	return c.send(ctx, c.internal(b.Entity.Name, "plans"), b)
}

// A diffAnswer is an outcome, and how it would come about.
type diffAnswer struct {
	Outcome     schemas.Outcome      `json:"outcome"`
	Differences []schemas.Difference `json:"differences"`
}

// Diff does what the service's Diff does.
func (c *Caller) Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error) {
	var answer diffAnswer
	if err := c.post(ctx, c.internal(b.Entity.Name, "differences"), b, &answer); err != nil {
		return schemas.Outcome{}, nil, err
	}
	if b.Selected != nil {
		for i := range answer.Differences {
			answer.Differences[i].Row = int(b.Selected[answer.Differences[i].Row])
		}
	}
	return inRowsOf(b, answer.Outcome), answer.Differences, nil
}

// Revert does what the service's Revert does. A dry run has no id.
func (c *Caller) Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (answer schemas.Reverted, err error) {
	err = c.ask(ctx, c.internal(r.Entity, "reverts", cmp.Or(id.Run, "-"), strconv.FormatInt(id.Seq, 10))+turnOf(id), r, &answer)
	return answer, err
}

// turnOf returns the query that says in which turn a batch is sent.
func turnOf(id schemas.BatchID) string {
	if id.Turn.Number == 0 {
		return ""
	}
	return "?" + url.Values{"pipeline": {id.Turn.Of}, "turn": {strconv.FormatInt(id.Turn.Number, 10)}}.Encode()
}

func (c *Caller) send(ctx context.Context, path string, b *schemas.Batch) (schemas.Outcome, error) {
	var outcome schemas.Outcome
	if err := c.post(ctx, path, b, &outcome); err != nil {
		return schemas.Outcome{}, err
	}
	return inRowsOf(b, outcome), nil
}

// post sends a batch.
func (c *Caller) post(ctx context.Context, path string, b *schemas.Batch, answer any) error {
	body, err := json.Marshal(encode(b))
	if err != nil {
		return fmt.Errorf("encode a batch of %s: %w", b.Entity.Name, err)
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path, body: body, limit: callTimeout}, answer)
	return err
}

// inRowsOf gives the rejections of an outcome the rows that they have here.
func inRowsOf(b *schemas.Batch, outcome schemas.Outcome) schemas.Outcome {
	if b.Selected != nil {
		for i, r := range outcome.Rejected {
			outcome.Rejected[i].Row = int(b.Selected[r.Row])
		}
	}
	return outcome
}

// A knownQuestion asks which keys there are.
type knownQuestion struct {
	Keys []string `json:"keys"`
}

type knownAnswer struct {
	Known []bool `json:"known"`
}

// Known does what the service's Known does.
func (c *Caller) Known(ctx context.Context, entity string, keys []string) ([]bool, error) {
	var answer knownAnswer
	err := c.ask(ctx, c.internal(entity, "known"), knownQuestion{keys}, &answer)
	return answer.Known, err
}

// A holdersQuestion asks who has the values.
type holdersQuestion struct {
	Field  string   `json:"field"`
	Values []string `json:"values"`
}

type holdersAnswer struct {
	Holders []string `json:"holders"`
}

// Holders does what the service's Holders does.
func (c *Caller) Holders(ctx context.Context, entity, field string, values []string) ([]string, error) {
	var answer holdersAnswer
	err := c.ask(ctx, c.internal(entity, "holders"), holdersQuestion{field, values}, &answer)
	return answer.Holders, err
}

func (c *Caller) ask(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path, body: body, limit: callTimeout}, answer)
	return err
}

// Get reads one resource into answer, and returns the header.
func (c *Caller) Get(ctx context.Context, path string, query url.Values, answer any) (http.Header, error) {
	for name, values := range query {
		if len(values) == 1 && values[0] == "" {
			query.Del(name) // was not given
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.call(ctx, request{method: http.MethodGet, path: path, limit: getTimeout}, answer)
}

func (c *Caller) call(ctx context.Context, r request, answer any) (http.Header, error) {
	got, err := c.line.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(got.body, answer); err != nil {
		return nil, fmt.Errorf("%s: answer: %w", r.call(), err)
	}
	return got.header, nil
}

// failure returns the error that the service has answered with: the one that
// it would have returned in this process, where it is one for people.
func failure(call string, status int, text []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Detail == "" {
		return &statusError{call: call, status: status}
	}
	code, ok := map[int]commerce.Code{
		http.StatusBadRequest: commerce.Invalid, http.StatusNotFound: commerce.NotFound, http.StatusConflict: commerce.Conflict,
		http.StatusGone: commerce.Gone,
	}[status]
	if status == http.StatusPreconditionFailed { // as writeError has it, as the next
		return fmt.Errorf("%s: %w", call, schemas.ErrOvertaken)
	}
	if code == commerce.Gone && len(p.Errors) == 0 {
		return fmt.Errorf("%s: %w", call, schemas.ErrHistoryGone)
	}
	if !ok {
		return &statusError{call: call, status: status, detail: p.Detail}
	}
	if len(p.Errors) == 0 {
		return commerce.Errorf(code, "%s", p.Detail)
	}
	return commerce.Errorf(code, "%s", p.Errors[0].Message).At(p.Errors[0].Location)
}

// A statusError is an answer that is no error for people.
type statusError struct {
	call   string
	status int
	detail string // as the service has put it, or ""
}

// Error returns call, status and detail.
func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: status %d", e.call, e.status)
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}
