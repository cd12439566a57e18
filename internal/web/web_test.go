package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
)

type listInput struct {
	Limit int      `query:"limit" minimum:"1" maximum:"10" default:"5"`
	Lang  string   `query:"lang"`
	SKUs  []string `query:"sku,explode"`
	Fail  string   `query:"fail"`
}

type listOutput struct {
	Body struct {
		Limit int      `json:"limit"`
		SKUs  []string `json:"skus,omitempty"`
	}
}

func list(ctx context.Context, in *listInput) (*listOutput, error) {
	switch in.Fail {
	case "fault":
		return nil, fmt.Errorf("wrapped: %w", &Fault{Code: http.StatusBadRequest, Place: "query.fail", Message: "is a fault"})
	case "secret":
		return nil, errors.New("the password is 1234")
	case "late":
		return nil, context.DeadlineExceeded
	case "status":
		return nil, huma.Error409Conflict("taken")
	case "same":
		return nil, NotModified(`"7"`)
	case "panic":
		panic("out of luck")
	}
	if _, limited := ctx.Deadline(); !limited {
		return nil, errors.New("no limit of time")
	}
	out := &listOutput{}
	out.Body.Limit, out.Body.SKUs = in.Limit, in.SKUs
	return out, nil
}

// serve returns a server as a process has it, and its log.
func serve(t *testing.T) (*httptest.Server, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	mux := http.NewServeMux()
	api := NewAPI(mux, Info{Title: "Test", Version: "1", Suggest: func(name string, _ []string) string {
		if name == "limti" {
			return ", did you mean limit?"
		}
		return ""
	}})
	Register(api, huma.Operation{Method: http.MethodGet, Path: "/v1/things"}, list)
	metrics := NewMetrics()
	mux.Handle("GET /metrics", metrics.Handler())
	ready := errors.New("still starting")
	Health(mux, func(context.Context) error { return ready })
	mux.HandleFunc("POST /v1/things/{id}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	s := httptest.NewServer(Wrap(mux, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Clock: time.Now, Metrics: metrics}))
	t.Cleanup(s.Close)
	return s, log
}

type problem struct {
	Status int
	Detail string
	Errors []struct{ Location, Message string }
}

// ask sends a request and returns status, header and body.
func ask(t *testing.T, method, url string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

func TestErrorsNameTheirPlace(t *testing.T) {
	s, log := serve(t)
	for _, tt := range []struct {
		method, path string
		status       int
		place, want  string // in the detail or the message at the place
	}{
		{"GET", "/v1/things?limti=3", 400, "query.limti", "is not a parameter of this request, did you mean limit?"},
		{"GET", "/v1/things?colour=red", 400, "query.colour", "is not a parameter of this request; it has limit, lang, sku, fail"},
		{"GET", "/v1/things?limit=3&limit=4", 400, "query.limit", "is given more than once"},
		{"GET", "/v1/things?limit=11", 400, "query.limit", "expected number <= 10"},
		{"GET", "/v1/things?limit=x", 400, "query.limit", "invalid integer"},
		{"GET", "/v1/things?fail=fault", 400, "query.fail", "is a fault"},
		{"GET", "/v1/things?fail=status", 409, "", "taken"},
		{"GET", "/v1/things?fail=late", 503, "", "the request took too long: try again, or ask for less"},
		{"GET", "/v1/things?fail=secret", 500, "", "internal error; the log tells more under request here"},
		{"GET", "/v1/things?fail=panic", 500, "", "internal error; the log tells more under request here"},
		{"GET", "/v1/thing", 404, "path", "there is nothing at /v1/thing"},
		{"DELETE", "/v1/things", 405, "", "DELETE is not possible here, only GET, HEAD"},
		{"GET", "/readyz", 503, "", "not ready: still starting"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			status, header, body := ask(t, tt.method, s.URL+tt.path, "X-Request-Id", "here")
			var p problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("body %s: %v", body, err)
			}
			if status != tt.status || p.Status != tt.status || header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("status %d, %+v, type %s; want %d", status, p, header.Get("Content-Type"), tt.status)
			}
			got, place := p.Detail, ""
			if len(p.Errors) > 0 {
				got, place = p.Errors[0].Message, p.Errors[0].Location
			}
			if got != tt.want || place != tt.place {
				t.Errorf("%q at %q, want %q at %q", got, place, tt.want, tt.place)
			}
			if strings.Contains(body, "1234") {
				t.Error("the answer tells the inside of an error")
			}
		})
	}
	for _, want := range []string{"the password is 1234", "panic: out of luck", "request=here"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestAnswers(t *testing.T) {
	s, _ := serve(t)
	status, header, body := ask(t, "GET", s.URL+"/v1/things?sku=a%2Cb&sku=c")
	if want := `{"limit":5,"skus":["a,b","c"]}` + "\n"; status != 200 || body != want {
		t.Errorf("%d %s, want %s", status, body, want)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"X-Frame-Options":         "DENY",
		"Referrer-Policy":         "same-origin",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, header.Get(name), want)
		}
	}
	if len(header.Get("X-Request-Id")) != 16 {
		t.Errorf("request id %q", header.Get("X-Request-Id"))
	}
	if _, header, _ := ask(t, "GET", s.URL+"/healthz", "X-Request-Id", "bad id"); header.Get("X-Request-Id") == "bad id" {
		t.Error("a request id that is no word was taken over")
	}
	if status, header, body := ask(t, "GET", s.URL+"/v1/things?fail=same"); status != 304 || header.Get("Etag") != `"7"` || body != "" {
		t.Errorf("not modified: %d %v %q", status, header, body)
	}
	if status, _, body := ask(t, "GET", s.URL+"/healthz"); status != 200 || body != "{\"status\":\"ok\"}\n" {
		t.Errorf("healthz: %d %s", status, body)
	}
}

func TestWritesOfOtherSitesPagesAreRefused(t *testing.T) {
	s, _ := serve(t)
	if status, _, body := ask(t, "POST", s.URL+"/v1/things/1", "Sec-Fetch-Site", "cross-site"); status != 403 || !strings.Contains(body, "header.Origin") {
		t.Errorf("cross-site: %d %s", status, body)
	}
	if status, _, _ := ask(t, "POST", s.URL+"/v1/things/1"); status != 202 {
		t.Errorf("no browser: %d, want 202", status)
	}
}

func TestTheDocumentHasTheOperations(t *testing.T) {
	s, _ := serve(t)
	_, _, body := ask(t, "GET", s.URL+"/openapi.json")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body, "422") || !strings.Contains(body, `"400"`) {
		t.Error("the document does not have the statuses of the answers")
	}
	if doc.OpenAPI != "3.1.0" || doc.Paths["/v1/things"]["get"].OperationID != "get-v1-things" {
		t.Errorf("document %+v", doc)
	}
	for _, path := range []string{"/docs", "/schemas/x.json"} {
		if status, _, _ := ask(t, "GET", s.URL+path); status != 404 {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
}

func TestMetricsCountRoutesAndNotPaths(t *testing.T) {
	s, _ := serve(t)
	for _, id := range []string{"1", "2"} {
		ask(t, "POST", s.URL+"/v1/things/"+id)
		ask(t, "GET", s.URL+"/nothing/"+id)
		ask(t, "BREW", s.URL+"/nothing/"+id)
	}
	_, _, body := ask(t, "GET", s.URL+"/metrics")
	for _, want := range []string{
		`crossdock_http_requests_total{method="POST",route="/v1/things/{id}",status="202"} 2`,
		`crossdock_http_requests_total{method="",route="none",status="404"} 4`,
		`crossdock_http_request_seconds_count{method="POST",route="/v1/things/{id}",status="202"} 2`,
		"go_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestCursors(t *testing.T) {
	type key struct {
		SKU  string
		Rank float64
	}
	want := key{"ä/1", -1.2345678901234567}
	var got key
	if err := DecodeCursor(EncodeCursor(want), &got); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if err := DecodeCursor("", &got); err != nil || got != want {
		t.Errorf("empty cursor: %+v, %v", got, err)
	}
	for _, bad := range []string{"!", "AAAA", EncodeCursor("text"), EncodeCursor(want)[:5]} {
		err := DecodeCursor(bad, &got)
		p, ok := errors.AsType[Problem](err)
		if !ok {
			t.Errorf("DecodeCursor(%q) = %v, want a Problem", bad, err)
			continue
		}
		if _, place := p.Problem(); p.Status() != 400 || place != "query.cursor" {
			t.Errorf("DecodeCursor(%q): %d at %s", bad, p.Status(), place)
		}
	}
}

func TestMatchesVersions(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   bool
	}{{"", false}, {`"7"`, true}, {`W/"7"`, true}, {`"6", "7"`, true}, {`*`, true}, {`"6"`, false}, {`7`, false}} {
		if got := Matches(tt.header, `"7"`); got != tt.want {
			t.Errorf("Matches(%q) = %v", tt.header, got)
		}
	}
}

func TestServeFinishesWhatItHasBegun(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-ctx.Done() // the server is asked to stop while this runs
		_, _ = io.WriteString(w, "done")
	})
	served := make(chan error)
	go func() { served <- Serve(ctx, listener, handler, 0) }()
	bodies := make(chan string)
	go func() {
		answer, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			bodies <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		bodies <- string(body)
	}()
	<-begun
	stop()
	if diff := cmp.Diff("done", <-bodies); diff != "" {
		t.Error(diff)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("the server still takes connections")
	}
}

func TestServeReportsWhyItCannot(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), listener, http.NotFoundHandler(), 0); err == nil || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

func TestServeGoesOnForThoseWhoHaveNotHeard(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	mux := http.NewServeMux()
	Health(mux, func(context.Context) error { return ctx.Err() })
	served := make(chan error)
	go func() { served <- Serve(ctx, listener, mux, 2*time.Second) }()
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		answer, err := http.Get("http://" + listener.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || answer.Close != (want != http.StatusOK) {
			t.Errorf("status %d, the connection ends: %t; want %d", answer.StatusCode, answer.Close, want)
		}
		for _, path := range []string{"/livez", "/startupz"} {
			if answer, err = http.Get("http://" + listener.Addr().String() + path); err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v %+v", path, err, answer)
			}
			answer.Body.Close()
		}
		stop()
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
