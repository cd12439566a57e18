package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossdock/hub/journal"
	"crossdock/internal/store"
)

func TestWhatRunsTellOfTheirSources(t *testing.T) {
	dir, handler := serve(t, 1)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	for path, want := range map[string]string{
		"/v1/quality":                 `{"items":[]}`,
		"/v1/drift?pipeline=acme":     `{"items":[]}`,
		"/v1/runs/r1/profile":         "profiles are kept of the 100 latest runs",
		"/v1/runs/none/profile":       `there is no run \"none\"`,
		"/v1/quality?runs=0":          "expected number \u003e= 1",
		"/v1/quality?pipelin=acme":    "pipelin",
		"/v1/drift?run=none&limit=10": `{"items":[]}`,
	} {
		if _, body := get(path); !strings.Contains(body, want) {
			t.Errorf("GET %s: %s, want %s", path, body, want)
		}
	}

	j, err := journal.Open(t.Context(), store.Place{Dir: dir}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	err = j.Assess(t.Context(), journal.Assessment{
		Run: "r1", Pipeline: "acme", Profile: []byte(`{"rows":20,"columns":[{"name":"EAN","rows":20,"nulls":3}]}`),
		Quality: []journal.Quality{{Score: 974, Read: 20, Rejected: 1}},
		Drift:   []journal.Drift{{Column: "EAN", Kind: "nulls", Before: "1%", Now: "15%", Message: "column EAN: moved"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v1/quality?pipeline=acme": `"score":97.4,"read":20,"skipped":0,"rejected":1,"warned":0,"cells":0,"filled":0}]}]}`,
		"/v1/drift?run=r1":          `{"items":[{"run":"r1","pipeline":"acme","column":"EAN","kind":"nulls","before":"1%","now":"15%","message":"column EAN: moved"`,
		"/v1/runs/r1/profile":       `"columns":[{"name":"EAN","rows":20,"nulls":3,`,
		"/v1/runs/r1":               `"quality":97.4`,
	} {
		if code, body := get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %s, want %s", path, code, body, want)
		}
	}
}
