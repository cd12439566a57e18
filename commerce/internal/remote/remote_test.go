package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// A shelf is a backend that takes what it is given.
type shelf struct {
	id  schemas.BatchID
	got *schemas.Batch
	err error

	rows, more *schemas.Batch // what Rows answers
	late       error          // ends Rows after them
}

func (s *shelf) Apply(_ context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	s.id, s.got = id, b
	rejected := []schemas.Rejection{{Row: b.Count() - 1, Field: "sku", Rule: "r", Severity: schemas.Reject, Value: "v", Message: "m"}}
	return schemas.Outcome{Applied: 1, Unchanged: 2, Rejected: rejected}, s.err
}

func (s *shelf) Plan(_ context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	s.got = b
	return schemas.Outcome{Applied: b.Count()}, s.err
}

func (s *shelf) Diff(_ context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error) {
	old, row := "old", b.Count()-1
	rejected := []schemas.Rejection{{Row: row, Field: "sku", Rule: "r", Severity: schemas.Reject, Value: "v", Message: "m"}}
	fields := []schemas.FieldDifference{{Column: "brand", Old: &old}}
	return schemas.Outcome{Applied: 1, Rejected: rejected}, []schemas.Difference{{Row: row, Kind: "update", Fields: fields}}, s.err
}

func (s *shelf) Revert(_ context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error) {
	return schemas.Reverted{Kept: []schemas.Kept{{Key: r.Run, By: id.Run, Message: r.From}}, KeptRows: 1, Next: r.Entity}, s.err
}

func (s *shelf) Rows(_ context.Context, _ schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	for s.rows != nil {
		if err := fn(s.rows); err != nil {
			return 0, err
		}
		if s.rows, s.more = s.more, nil; s.rows == nil {
			return 7, s.late
		}
	}
	return 0, s.err
}

func (s *shelf) Known(_ context.Context, entity string, keys []string) ([]bool, error) {
	return slices.Repeat([]bool{entity == "product"}, len(keys)), s.err
}

func (s *shelf) Holders(_ context.Context, _, field string, values []string) ([]string, error) {
	return slices.Repeat([]string{field}, len(values)), s.err
}

func (s *shelf) Events(_ context.Context, q commerce.EventQuery) (commerce.EventPage, error) {
	event := commerce.Event{ID: "1", Source: "/shop", Type: q.Types[0], Sequence: q.After, Time: time.Unix(1, 0).UTC(), Data: json.RawMessage(`{}`)}
	return commerce.EventPage{Events: []commerce.Event{event}, Last: int64(q.Limit), More: true}, s.err
}

func dial(t *testing.T, backend Backend) *Caller {
	t.Helper()
	mux := http.NewServeMux()
	Routes(mux, "shop", backend)
	server := httptest.NewServer(web.Wrap(mux, web.Options{Log: slog.New(slog.DiscardHandler), Clock: time.Now}))
	t.Cleanup(server.Close)
	return Dial("shop", commerce.Peer{URL: server.URL})
}

func TestABatchArrivesAsItWas(t *testing.T) {
	columns := []string{"sku", "name.de", "attributes.colour", "pack_size", "status", "deleted"}
	cell := map[string][]string{
		"pack_size": {"1", "-0.000001", "999999999999.999999", servicetest.Null, servicetest.Absent},
		"deleted":   {"true", "false", servicetest.Null, servicetest.Absent},
	}
	rapid.Check(t, func(r *rapid.T) {
		rows := make([][]string, rapid.IntRange(1, 8).Draw(r, "rows"))
		for i := range rows {
			for _, name := range columns {
				values := cell[name]
				if values == nil {
					values = []string{"", "x", "ä\"\\\n\x00", "\u2028<&>", servicetest.Null, servicetest.Absent}
				}
				rows[i] = append(rows[i], rapid.SampledFrom(values).Draw(r, name))
			}
		}
		b := servicetest.Rows(r, "product", columns, rows)
		if rapid.Bool().Draw(r, "selected") {
			b.Selected = []int32{}
			for i := range rows {
				if rapid.Bool().Draw(r, "row") {
					b.Selected = append(b.Selected, int32(i))
				}
			}
		}
		text, err := json.Marshal(encode(b))
		if err != nil {
			r.Fatal(err)
		}
		got, err := decode(b.Entity, bytes.NewReader(text))
		if err != nil {
			r.Fatal(err)
		}
		// The hash of a row covers each value and what is absent.
		var want []uint64
		b.Each(func(row int) bool {
			want = append(want, b.Hashes()[row])
			return true
		})
		if diff := cmp.Diff(want, slices.Clip(got.Hashes()), cmp.Transformer("nil", func(h []uint64) []uint64 { return append([]uint64{}, h...) })); diff != "" {
			r.Fatal(diff)
		}
	})
}

func TestMomentsArriveToTheMicrosecond(t *testing.T) {
	b := servicetest.Lines(t, "stock_level", "sku|as_of", "A|2026-11-21T06:00:00.000001Z", "B|0001-01-01T00:00:00Z", "C|"+servicetest.Null)
	text, err := json.Marshal(encode(b))
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(b.Entity, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.Hashes(), got.Hashes()); diff != "" {
		t.Error(diff)
	}
}

func TestRejectionsComeBackToTheirRows(t *testing.T) {
	s := &shelf{}
	c := dial(t, s)
	b := servicetest.Lines(t, "product", "sku|brand", "A|x", "B|y", "C|z")
	b.Selected = []int32{0, 2}
	id := schemas.BatchID{Run: "a/b ?", Seq: 7, Turn: schemas.Turn{Of: "acme & co", Number: 12}}
	o, err := c.Apply(t.Context(), id, b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Rejected[0].Row != 2 || o.Applied != 1 || o.Unchanged != 2 || s.id != id || s.got.Count() != 2 {
		t.Errorf("outcome %+v of %d rows of batch %s", o, s.got.Count(), s.id)
	}
}

func TestErrorsArriveAsTheyWere(t *testing.T) {
	s := &shelf{}
	c := dial(t, s)
	s.err = fmt.Errorf("apply: %w", schemas.ErrOvertaken)
	if _, err := c.Apply(t.Context(), schemas.BatchID{Run: "r", Seq: 1}, servicetest.Lines(t, "product", "sku", "A")); !errors.Is(err, schemas.ErrOvertaken) {
		t.Errorf("Apply = %v, want %v", err, schemas.ErrOvertaken)
	}
	for _, tt := range []struct {
		err  error
		code commerce.Code
		want string
	}{
		{commerce.Errorf(commerce.Invalid, "is wrong").At("query.at"), commerce.Invalid, "query.at: is wrong"},
		{commerce.Errorf(commerce.NotFound, "is not there"), commerce.NotFound, "is not there"},
		{commerce.Errorf(commerce.Conflict, "is taken: %s", "100%"), commerce.Conflict, "is taken: 100%"},
	} {
		s.err = tt.err
		_, err := c.Known(t.Context(), "product", []string{"A"})
		if err == nil || err.Error() != tt.want || commerce.CodeOf(err) != tt.code {
			t.Errorf("error %v (%s), want %s", err, commerce.CodeOf(err), tt.want)
		}
	}
	s.err = errors.New("the password is 1234")
	_, err := c.Holders(t.Context(), "product", "gtin", nil)
	if err == nil || strings.Contains(err.Error(), "1234") || !strings.Contains(err.Error(), "status 500") {
		t.Errorf("error %v", err)
	}
}

func TestBadCallsAreRefused(t *testing.T) {
	c := dial(t, &shelf{})
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/internal/shop/producd/plans", `{}`, 404, "producd"},
		{"/internal/shop/product/batches/r/x", `{}`, 400, "path.seq"},
		{"/internal/shop/product/plans", `{"rows":1,"columns":[{"name":"sku","values":[]}]}`, 400, "column sku has 0 values of 1"},
		{"/internal/shop/product/plans", `{"rows":0,"columns":[{"name":"sku","values":[]},{"name":"sku","values":[]}]}`, 400, "comes twice"},
		{"/internal/shop/product/plans", `{"rows":1,"columns":[{"name":"sku","values":["a"],"absent":[1]}]}`, 400, "absent in row 1 of 1"},
		{"/internal/shop/product/plans", `{"rows":1,"columns":[{"name":"size","values":["a"]}]}`, 400, "no field size"},
		{"/internal/shop/product/plans", `{"rows":1,"columns":[{"name":"weight","values":["1,5"]}]}`, 400, "is not a decimal number"},
		{"/internal/shop/stock_level/plans", `{"rows":1,"columns":[{"name":"as_of","values":["now"]}]}`, 400, "is no moment"},
		{"/internal/shop/product/plans", `{"row":1}`, 400, "unknown field"},
		{"/internal/shop/product/known", `[]`, 400, "body"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.line.base+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.line.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.path, tt.body, answer.StatusCode, body, tt.status, tt.want)
		}
	}
}

func TestAServiceThatIsAwayIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	c := Dial("shop", commerce.Peer{URL: server.URL})
	if _, err := c.Known(t.Context(), "product", nil); err == nil || !strings.Contains(err.Error(), "status 404") {
		t.Errorf("a stranger's 404: %v", err)
	}
	server.Close()
	if _, err := c.Known(t.Context(), "product", nil); err == nil {
		t.Error("no error from a closed server")
	}
}

func TestRowsEndWithASequenceOrAnError(t *testing.T) {
	one := servicetest.Lines(t, "product", "sku|weight", "A|1.5", "B|"+servicetest.Null)
	two := servicetest.Lines(t, "product", "sku|deleted", "C|true")
	for _, tt := range []struct {
		name  string
		shelf *shelf
		want  string
	}{
		{"all of them", &shelf{rows: one, more: two}, "sku|weight A|1.5 B|<null> sku|deleted C|true 7 "},
		{"an error first", &shelf{err: commerce.Errorf(commerce.Invalid, "is none").At("columns")}, "0 columns: is none"},
		{"history gone", &shelf{err: fmt.Errorf("x: %w", schemas.ErrHistoryGone)}, "0 POST /internal/shop/product/rows: " + schemas.ErrHistoryGone.Error()},
		{"an error between", &shelf{rows: one, late: commerce.Errorf(commerce.Conflict, "lost")}, "sku|weight A|1.5 B|<null> 0 rows of product: lost"},
		{"a secret between", &shelf{rows: one, late: errors.New("path of the file")}, "sku|weight A|1.5 B|<null> 0 rows of product: internal error; the log tells more under request "},
	} {
		var got []string
		next, err := dial(t, tt.shelf).Rows(t.Context(), schemas.RowsRequest{Entity: "product"}, func(b *schemas.Batch) error {
			got = append(got, servicetest.Text(b)...)
			return nil
		})
		text := ""
		if err != nil {
			text = err.Error()
		}
		if line := strings.Join(append(got, fmt.Sprint(next), text), " "); !strings.HasPrefix(line, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, line, tt.want)
		}
	}
}

func TestRowsThatAreCutOffAreAnError(t *testing.T) {
	for body, want := range map[string]string{
		`{"batch":{"rows":0,"columns":[]}}` + "\n": "broken off the rows of product: EOF", `{"batch":{"rows":1,"columns":[{"name":"sku","values":["A"`: "broken off the rows of product: unexpected EOF",
		`{}`: "holds no batch", `{"batch":{"rows":1,"columns":[{"name":"size","values":["A"]}]}}`: "no field size",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		_, err := Dial("shop", commerce.Peer{URL: server.URL}).Rows(t.Context(), schemas.RowsRequest{Entity: "product"}, func(*schemas.Batch) error { return nil })
		server.Close()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestDifferencesNameTheRowsOfTheCaller(t *testing.T) {
	b := servicetest.Lines(t, "product", "sku|brand", "A|x", "B|y", "C|z")
	b.Selected = []int32{0, 2}
	outcome, list, err := dial(t, &shelf{}).Diff(t.Context(), b)
	old := "old"
	want := []schemas.Difference{{Row: 2, Kind: "update", Fields: []schemas.FieldDifference{{Column: "brand", Old: &old}}}}
	if diff := cmp.Diff(want, list); diff != "" || err != nil || outcome.Rejected[0].Row != 2 {
		t.Errorf("%+v %v %s", outcome, err, diff)
	}
	if _, _, err := dial(t, &shelf{err: errors.New("away")}).Diff(t.Context(), b); err == nil {
		t.Error("no error")
	}
}

func TestARevertTravels(t *testing.T) {
	got, err := dial(t, &shelf{}).Revert(t.Context(), schemas.BatchID{Run: "a / b", Seq: 2}, schemas.RevertRequest{Entity: "product", Run: "r", From: "here"})
	want := schemas.Reverted{KeptRows: 1, Kept: []schemas.Kept{{Key: "r", By: "a / b", Message: "here"}}, Next: "product"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	_, err = dial(t, &shelf{err: fmt.Errorf("x: %w", schemas.ErrHistoryGone)}).Revert(t.Context(), schemas.BatchID{Run: "v"}, schemas.RevertRequest{Entity: "product"})
	if !errors.Is(err, schemas.ErrHistoryGone) {
		t.Errorf("a run that is forgotten: %v", err)
	}
}

func TestEventsTravel(t *testing.T) {
	query := commerce.EventQuery{After: 7, Types: []string{"shop.thing.changed.v1"}, Limit: 3}
	s := &shelf{}
	want, _ := s.Events(t.Context(), query)
	got, err := dial(t, s).Events(t.Context(), query)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestAServiceThatHasLostItsDatabaseIsAway(t *testing.T) {
	s := &shelf{err: fmt.Errorf("apply: %w", &pgconn.PgError{Code: "57P01", Message: "terminating connection of user secret"})}
	_, err := dial(t, s).Known(t.Context(), "product", nil)
	if !errors.Is(err, schemas.ErrAway) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "status 503: has lost its database") {
		t.Errorf("error %v, want that it is away", err)
	}
}
