package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/web"
)

// registerMending adds what changes the error queue.
func (s *server) registerMending(api huma.API) {
	tags := []string{"errors"}
	web.Register(api, huma.Operation{
		OperationID: "change-error", Method: http.MethodPatch, Path: "/v1/errors/{id}", Tags: tags,
		Summary:     "Edit cells of the row of an error, assign it or comment on it",
		Description: "The row as it was read stays what it is. With `If-Match`, a row that was changed since that ETag was answered is left alone (412).",
	}, s.patchError)
	web.Register(api, huma.Operation{
		OperationID: "change-error-group", Method: http.MethodPatch, Path: "/v1/errors/groups/{id}", Tags: tags,
		Summary: "Edit the open rows of a problem, assign it or comment on it",
	}, s.patchGroup)
	web.Register(api, huma.Operation{
		OperationID: "replay-errors", Method: http.MethodPost, Path: "/v1/errors:replay", Tags: tags,
		Summary: "Send open rows through their pipelines once more",
	}, func(ctx context.Context, in *chosenInput) (*replayOutput, error) {
		filter, err := s.chosen(ctx, &in.Body)
		if err != nil {
			return nil, err
		}
		return s.replay(ctx, in.Key, "errors:replay", filter, &in.Body.Deed)
	})
	web.Register(api, huma.Operation{
		OperationID: "discard-errors", Method: http.MethodPost, Path: "/v1/errors:discard", Tags: tags,
		Summary: "Give open rows up, for a reason",
	}, func(ctx context.Context, in *chosenInput) (*discardOutput, error) {
		filter, err := s.chosen(ctx, &in.Body)
		if err != nil {
			return nil, err
		}
		return s.discard(ctx, in.Key, "errors:discard", filter, &in.Body.Deed)
	})
	s.registerDeeds(api)
}

// registerDeeds adds the addresses that end in what is to be done, as in
// /v1/errors/12:replay. Patterns of net/http take whole segments, so that one
// operation stands for all of them, and the document names them one by one.
func (s *server) registerDeeds(api huma.API) {
	for _, at := range []struct{ path, of, id string }{{"/v1/errors/", "an error", "error"}, {"/v1/errors/groups/", "a problem", "error-group"}} {
		pattern := at.path + "{id_and_deed}"
		web.Register(api, huma.Operation{
			OperationID: "do-to-" + at.id, Method: http.MethodPost, Path: pattern, Tags: []string{"errors"},
			Summary: "Replay or discard the open rows of " + at.of,
		}, func(ctx context.Context, in *deedInput) (*deedOutput, error) {
			return s.deed(ctx, at.path, in)
		})
		post := api.OpenAPI().Paths[pattern].Post
		delete(api.OpenAPI().Paths, pattern)
		for _, deed := range []string{"replay", "discard"} {
			op := *post
			op.OperationID, op.Summary = deed+"-"+at.id, strings.ToUpper(deed[:1])+deed[1:]+" the open rows of "+at.of
			op.Parameters = slices.Clone(post.Parameters)
			for i, p := range op.Parameters {
				if p.In == "path" {
					one := *p
					one.Name = "id"
					op.Parameters[i] = &one
				}
			}
			api.OpenAPI().Paths[at.path+"{id}:"+deed] = &huma.PathItem{Post: &op}
		}
	}
}

type patchErrorInput struct {
	ErrorPath
	IfMatch string `header:"If-Match" doc:"ETag of the answer that the change is made from."`
	Body    struct {
		Set     map[string]string `json:"set,omitempty" maxProperties:"500" doc:"New values by the header of the column in the source, or by the address of the cell in a spreadsheet; an empty text is an empty cell" example:"{\"Gewicht\":\"0,75\"}"`
		Undo    bool              `json:"undo,omitempty" doc:"Take the last edit back"`
		Assign  *string           `json:"assign,omitempty" maxLength:"100" doc:"Who is to mend it; an empty text takes that back"`
		Comment string            `json:"comment,omitempty" maxLength:"10000"`
		By      string            `json:"by" minLength:"1" maxLength:"100"`
	}
}

func (s *server) patchError(ctx context.Context, in *patchErrorInput) (*errorOutput, error) {
	b := &in.Body
	if b.Set == nil && !b.Undo && b.Assign == nil && b.Comment == "" {
		return nil, invalid("body", nil, "has nothing to change: it needs set, undo, assign or comment")
	}
	amendment := hub.Amendment{Set: b.Set, Undo: b.Undo, Assign: b.Assign, Comment: b.Comment, By: b.By}
	if in.IfMatch != "" {
		row, err := s.Hub.Journal().RowOf(ctx, in.ID)
		if err != nil {
			return nil, answerTo(err)
		}
		if !web.Matches(in.IfMatch, etag(row)) {
			return nil, huma.Error412PreconditionFailed("the row " + journal.ErrChanged.Error())
		}
		amendment.Revision = &row.Revision
	}
	row, report, err := s.Hub.Amend(ctx, in.ID, amendment)
	switch {
	case errors.Is(err, journal.ErrChanged) && in.IfMatch != "":
		return nil, huma.Error412PreconditionFailed(err.Error())
	case err != nil:
		return nil, answerTo(err)
	}
	out := viewError(row, in.ID)
	if b.Set != nil || b.Undo {
		out.Body.Edit = &report
	}
	return out, nil
}

type patchGroupInput struct {
	GroupPath
	Body struct {
		Column  string  `json:"column,omitempty" doc:"The column to edit, where it is not the one that the problem blames"`
		Set     *string `json:"set,omitempty" doc:"The new value of the column"`
		Find    string  `json:"find,omitempty" maxLength:"1000" doc:"What to replace within the cell"`
		Replace string  `json:"replace,omitempty" maxLength:"10000" doc:"What to replace it by"`
		Regex   bool    `json:"regex,omitempty" doc:"Whether find is a regular expression; $1 in replace is its first group"`
		Where   *string `json:"where_value,omitempty" doc:"Edit only cells that hold this"`
		DryRun  bool    `json:"dry_run,omitempty" doc:"Say what would change, and change nothing"`
		Assign  *string `json:"assign,omitempty" maxLength:"100" doc:"Who is to mend the rows, those to come among them; an empty text takes that back"`
		Comment string  `json:"comment,omitempty" maxLength:"10000"`
		By      string  `json:"by" minLength:"1" maxLength:"100"`
	}
}

func (s *server) patchGroup(ctx context.Context, in *patchGroupInput) (*groupOutput, error) {
	b := &in.Body
	edits := b.Set != nil || b.Find != ""
	switch {
	case !edits && b.Assign == nil && b.Comment == "":
		return nil, invalid("body", nil, "has nothing to change: it needs set, find, assign or comment")
	case b.Set != nil && b.Find != "":
		return nil, invalid("body.find", b.Find, "goes without set")
	case b.DryRun && (b.Assign != nil || b.Comment != ""):
		return nil, invalid("body.dry_run", true, "goes with set or find alone")
	}
	if _, err := s.Hub.Journal().Group(ctx, in.ID); err != nil {
		return nil, answerTo(err)
	}
	var report *hub.EditReport
	if edits {
		// What is begun is finished, whether or not the client waits for it.
		done, err := s.Hub.Edit(context.WithoutCancel(ctx), journal.ErrorFilter{Group: in.ID}, hub.Edit{
			Column: b.Column, Value: b.Set, Find: b.Find, With: b.Replace, Regexp: b.Regex, Where: b.Where, DryRun: b.DryRun, By: b.By,
		})
		if err != nil {
			return nil, answerTo(err)
		}
		report = &done
	}
	if b.Assign != nil {
		if err := s.Hub.Journal().AssignGroup(ctx, in.ID, *b.Assign, b.By); err != nil {
			return nil, answerTo(err)
		}
	}
	if b.Comment != "" {
		if err := s.Hub.Journal().CommentGroup(ctx, in.ID, b.Comment, b.By); err != nil {
			return nil, err
		}
	}
	out, err := s.getGroup(ctx, &in.GroupPath)
	if out != nil {
		out.Body.Edit = report
	}
	return out, err
}

// A Deed says who does something to rows, and why.
type Deed struct {
	By     string `json:"by" minLength:"1" maxLength:"100" doc:"Who does it"`
	Reason string `json:"reason,omitempty" maxLength:"10000" doc:"Why the rows are discarded; needed for that"`
}

// chosenRows are the rows that a request is about.
type chosenRows struct {
	Deed
	IDs      []int64 `json:"ids,omitempty" maxItems:"1000" doc:"Errors whose rows are meant"`
	Group    string  `json:"group,omitempty" maxLength:"20" doc:"The problem whose open rows are meant"`
	Pipeline string  `json:"pipeline,omitempty" maxLength:"100" doc:"The pipeline whose open rows are meant"`
	Run      string  `json:"run,omitempty" maxLength:"64" doc:"The run whose open rows are meant"`
}

// Keyed is a request that may be sent twice and done once.
type Keyed struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"Any text of your own: the same request with the same key is answered alike and does nothing more. Kept for 30 days."`
}

type chosenInput struct {
	Keyed
	Body chosenRows
}

func (s *server) chosen(ctx context.Context, b *chosenRows) (journal.ErrorFilter, error) {
	f := journal.ErrorFilter{IDs: b.IDs, Group: b.Group, Pipeline: b.Pipeline, Run: b.Run}
	switch {
	case len(b.IDs) == 0 && b.Group == "" && b.Pipeline == "" && b.Run == "":
		return f, invalid("body", nil, "chooses no rows: it needs ids, group, pipeline or run")
	case len(b.IDs) > 0 && (b.Group != "" || b.Pipeline != "" || b.Run != ""):
		return f, invalid("body.ids", nil, "go without group, pipeline and run")
	}
	if b.Run != "" {
		if _, err := s.run(ctx, b.Run); err != nil {
			return f, err
		}
	}
	return f, s.knownPipeline(ctx, b.Pipeline)
}

type replayOutput struct {
	Body Replayed
}

// Replayed is what became of rows that were sent once more: a run of each pipeline.
type Replayed struct {
	Runs []hub.Summary `json:"runs"`
}

type discardOutput struct {
	Body Discarded
}

// Discarded is how many rows were given up.
type Discarded struct {
	Rows int64 `json:"discarded"`
}

func (s *server) replay(ctx context.Context, key, what string, filter journal.ErrorFilter, deed *Deed) (*replayOutput, error) {
	body, err := once(ctx, s, key, []any{what, filter, deed}, func(ctx context.Context) (Replayed, error) {
		runs, err := s.Hub.Replay(ctx, filter, &hub.ReplayOptions{By: deed.By})
		return Replayed{append([]hub.Summary{}, runs...)}, err
	})
	return &replayOutput{body}, err
}

func (s *server) discard(ctx context.Context, key, what string, filter journal.ErrorFilter, deed *Deed) (*discardOutput, error) {
	body, err := once(ctx, s, key, []any{what, filter, deed}, func(ctx context.Context) (Discarded, error) {
		rows, err := s.Hub.Discard(ctx, filter, deed.Reason, deed.By)
		return Discarded{rows}, err
	})
	return &discardOutput{body}, err
}

type deedInput struct {
	Keyed
	Target string `path:"id_and_deed" maxLength:"40" doc:"Id"`
	Body   Deed
}

type deedOutput struct {
	Body DeedResult
}

// A DeedResult says what was done to the rows of an error or a problem.
type DeedResult struct {
	Runs      []hub.Summary `json:"runs,omitempty" doc:"The replays; none where the row was applied before"`
	Discarded *int64        `json:"discarded,omitempty" doc:"How many rows were given up; 0 where that was done before"`
}

func (s *server) deed(ctx context.Context, path string, in *deedInput) (*deedOutput, error) {
	id, deed, _ := strings.Cut(in.Target, ":")
	if deed != "replay" && deed != "discard" {
		return nil, huma.Error404NotFound("there is no such address: " + path + "{id} is followed by :replay or :discard")
	}
	filter := journal.ErrorFilter{Group: id}
	if !strings.HasSuffix(path, "groups/") {
		number, err := strconv.ParseInt(id, 10, 64)
		if err != nil || number < 1 {
			return nil, huma.Error404NotFound("there is no error " + strconv.Quote(id))
		}
		filter = journal.ErrorFilter{IDs: []int64{number}}
		if done, err := s.doneBefore(ctx, number, deed); err != nil || done {
			return &deedOutput{deedNothing(deed)}, answerTo(err)
		}
	}
	if deed == "discard" {
		out, err := s.discard(ctx, in.Key, in.Target, filter, &in.Body)
		return &deedOutput{DeedResult{Discarded: &out.Body.Rows}}, err
	}
	out, err := s.replay(ctx, in.Key, in.Target, filter, &in.Body)
	return &deedOutput{DeedResult{Runs: out.Body.Runs}}, err
}

// doneBefore tells whether what is asked for has been done to the row already,
// so that to ask again does no harm.
func (s *server) doneBefore(ctx context.Context, id int64, deed string) (bool, error) {
	row, err := s.Hub.Journal().RowOf(ctx, id)
	if err != nil {
		return false, err
	}
	return deed == "discard" && row.Status == journal.DiscardedRow || deed == "replay" && row.Status == journal.ReplayedRow, nil
}

func deedNothing(deed string) DeedResult {
	if deed == "discard" {
		return DeedResult{Discarded: new(int64)}
	}
	return DeedResult{}
}

// answersKept is how long the answer to an Idempotency-Key is kept.
const answersKept = 30 * 24 * time.Hour

// once runs fn and, where there is a key, keeps its answer for the same
// request to come. What is begun is finished, whether or not the client waits.
func once[B any](ctx context.Context, s *server, key string, request any, fn func(context.Context) (B, error)) (B, error) {
	ctx = context.WithoutCancel(ctx)
	var body B
	if key == "" {
		body, err := fn(ctx)
		return body, answerTo(err)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return body, err
	}
	sum := sha256.Sum256(text)
	asked := hex.EncodeToString(sum[:])
	before, found, err := s.Hub.Journal().AnswerTo(ctx, key)
	switch {
	case err != nil:
		return body, err
	case found && before.Request != asked:
		return body, invalid("header.Idempotency-Key", key, "was used for another request: take a new one")
	case found:
		return body, json.Unmarshal([]byte(before.Body), &body)
	}
	if body, err = fn(ctx); err != nil {
		return body, answerTo(err)
	}
	if text, err = json.Marshal(body); err != nil {
		return body, err
	}
	return body, errors.Join(
		s.Hub.Journal().KeepAnswer(ctx, key, journal.Answer{Request: asked, Body: string(text)}),
		s.Hub.Journal().ForgetAnswers(ctx, answersKept))
}
