package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/commerce"
	"crossdock/commerce/feed"
	"crossdock/schemas"
)

// rowsOf makes a batch of an entity whose columns are texts, one a column.
func rowsOf(t *testing.T, entity string, columns []string, rows ...[]string) *schemas.Batch {
	t.Helper()
	e, err := schemas.Default().Entity(entity)
	if err != nil {
		t.Fatal(err)
	}
	b := &schemas.Batch{Entity: e}
	for _, name := range columns {
		c, err := e.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Columns, b.Absent = append(b.Columns, c), append(b.Absent, nil)
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(b.Columns))
	for _, row := range rows {
		for i, cell := range row {
			if err := builder.Field(i).AppendValueFromString(cell); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Rows = builder.NewRecordBatch()
	return b
}

// TestOneFeedShowsTheEventsOfAllServices changes rows of two services, and
// reads what they tell of over the one port.
func TestOneFeedShowsTheEventsOfAllServices(t *testing.T) {
	s := serveForTest(t)
	for i, b := range []*schemas.Batch{
		rowsOf(t, "category", []string{"category", "name.en"}, []string{"tools", "Tools"}),
		rowsOf(t, "price_list", []string{"list", "name.en", "currency"}, []string{"eu", "Europe", "EUR"}),
		rowsOf(t, "warehouse", []string{"warehouse", "name"}, []string{"K", "Kiel"}),
		rowsOf(t, "account", []string{"account", "name"}, []string{"K1", "Nord"}),
	} {
		if outcome := s.apply(t, schemas.BatchID{Run: "r", Seq: int64(i + 1)}, b); outcome.Applied != 1 {
			t.Fatalf("%s: %+v", b.Entity.Name, outcome)
		}
	}
	var page feed.Page
	s.get(t, "/v1/events?limit=3", &page)
	var rest feed.Page
	s.get(t, "/v1/events?after="+page.Cursor, &rest)
	var types []string
	for _, item := range append(page.Events, rest.Events...) {
		types = append(types, item.Type)
	}
	const want = "catalog.category.changed.v1 pricing.price_list.changed.v1 inventory.warehouse.changed.v1 accounts.account.changed.v1"
	if got := strings.Join(types, " "); got != want || !page.More || rest.More {
		t.Errorf("events %s, more %t and %t, want %s", got, page.More, rest.More, want)
	}
	// The same from another machine, as lines.
	var out bytes.Buffer
	s.app.stdout = &out
	if err := s.app.tail(t.Context(), tail{server: s.address, after: oldest, types: []string{"catalog.*", "accounts.*"}}); err != nil {
		t.Error(err)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 3 || !strings.HasSuffix(lines[1], "  accounts.account.changed.v1  K1 (batch r/4)") {
		t.Errorf("lines %q", lines)
	}
	for _, tt := range []struct {
		tail tail
		want string
	}{
		{tail{server: s.address, after: "soon"}, "--after is not a cursor of events: take next_cursor of the answer before, begin without one, or with latest"},
		{tail{server: s.address + "/v2", after: oldest}, "--server: there is nothing at /v2/v1/events (status 404)"},
		{tail{server: "http://[", after: oldest}, `--server: "http://[" is no address such as http://127.0.0.1:8080`},
		{tail{server: "http://127.0.0.1:1", after: oldest}, "--server: Get "},
	} {
		if err := s.app.tail(t.Context(), tt.tail); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
	var document struct {
		AsyncAPI string `json:"asyncapi"`
		Channels map[string]any
	}
	s.get(t, "/asyncapi.json", &document)
	if document.AsyncAPI != "3.0.0" || document.Channels["accounts.account.changed.v1"] == nil {
		t.Errorf("the document has AsyncAPI %q and %d channels", document.AsyncAPI, len(document.Channels))
	}
	_, _, metrics := s.do(t, http.MethodGet, "/metrics", "", nil)
	if want := `crossdock_outbox_lag_events{service="catalog"} `; !strings.Contains(string(metrics), want) {
		t.Errorf("no metric %s", want)
	}
}

// apply hands a batch to the service of its entity.
func (s *served) apply(t *testing.T, id schemas.BatchID, b *schemas.Batch) schemas.Outcome {
	t.Helper()
	for i, p := range parts() {
		if p.name == b.Entity.Service {
			outcome, err := s.system.services[i].Apply(t.Context(), id, b)
			if err != nil {
				t.Fatal(err)
			}
			return outcome
		}
	}
	t.Fatalf("no service has %s", b.Entity.Name)
	return schemas.Outcome{}
}

func TestALineSaysWhatAnEventIsAbout(t *testing.T) {
	for _, tt := range []struct{ subject, data, want string }{
		{"", `{"batch":"r/1","keys":["a"]}`, "a (batch r/1)"},
		{"", `{"batch":"r/1","keys":["a","b","c","d","e","f","g"]}`, "a, b, c, d, e and 2 more (batch r/1)"},
		{"", `{"batch":"r/1","keys":[["a","eu"],["b","eu"]]}`, "a/eu, b/eu (batch r/1)"},
		{"O-17", `{"total":"12.50"}`, `O-17 {"total":"12.50"}`},
		{"", `{"keys":"all"}`, `{"keys":"all"}`},
	} {
		if got := about(commerce.Event{Subject: tt.subject, Data: json.RawMessage(tt.data)}); got != tt.want {
			t.Errorf("%s is told as %q, want %q", tt.data, got, tt.want)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sleep(ctx, time.Hour) || !sleep(t.Context(), 0) {
		t.Error("it slept when it was told to end, or did not when it was not")
	}
}
