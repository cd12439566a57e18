package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/internal/web"
)

// front serves a gateway as a process does.
func front(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Clock, cfg.Log = time.Now, slog.New(slog.DiscardHandler)
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /openapi.json", g.Document(map[string]any{"title": "All", "version": "1", "description": "All of it."}))
	mux.Handle("/", g)
	server := httptest.NewServer(web.Wrap(mux, web.Options{Log: cfg.Log, Clock: time.Now}))
	t.Cleanup(server.Close)
	return server.URL
}

func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// A reply is the head of an answer.
type reply struct {
	StatusCode int
	Header     http.Header
}

// send sends a request; headers are pairs.
func send(t *testing.T, method, url, body string, header ...string) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header}, string(text)
}

func TestPathsAreRoutedAndNothingElse(t *testing.T) {
	echo := func(name string) string {
		return upstream(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, name+" "+r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		})
	}
	at := front(t, Config{Upstreams: []Upstream{
		{Name: "catalog", URL: echo("catalog"), Paths: []string{"/v1/products"}}, {Name: "hub", URL: echo("hub") + "/", Paths: []string{"/v1/", "/asyncapi.json"}},
	}})
	for path, want := range map[string]string{
		"/v1/products": "catalog /v1/products?", "/v1/products/A%2F1?lang=de&x=%20": "catalog /v1/products/A%2F1?lang=de&x=%20",
		"/v1/products:deed": "catalog /v1/products:deed?", "/v1/productsale": "hub /v1/productsale?", "/v1/runs/1": "hub /v1/runs/1?",
		"/asyncapi.json": "hub /asyncapi.json?",
	} {
		if answer, body := send(t, http.MethodGet, at+path, ""); answer.StatusCode != http.StatusOK || body != want {
			t.Errorf("%s: %d %s, want %s", path, answer.StatusCode, body, want)
		}
	}
	for _, path := range []string{
		"/internal/catalog/product/known", "/", "/metrics", "/v1", "/V1/products", "/asyncapi.json2",
		"/v1/%2e%2e/internal/x", "/v1/products/..%2f..%2finternal/x", "/v1/products/%2E%2E/%2E%2E/internal/x",
	} {
		answer, body := send(t, http.MethodPost, at+path, "")
		if answer.StatusCode != http.StatusNotFound && answer.StatusCode/100 != 3 || strings.HasPrefix(body, "hub ") || strings.HasPrefix(body, "catalog ") {
			t.Errorf("%s: %d %s, want that there is nothing", path, answer.StatusCode, body)
		}
	}
}

func TestHeadersThatAreNotTheClientsToSet(t *testing.T) {
	var got http.Header
	at := front(t, Config{Token: "open", Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, URL: upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
	})}}})
	if answer, body := send(t, http.MethodGet, at+"/v1/x", ""); answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a token: %d %s", answer.StatusCode, body)
	}
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	answer, _ := send(t, http.MethodGet, at+"/v1/x", "", "Authorization", "Bearer open", "Connection", "X-Hop", "X-Hop", "1", "X-Forwarded-For", "1.2.3.4",
		"Forwarded", "for=1.2.3.4", "X-Crossdock-User", "root", "X-Real-Ip", "1.2.3.4", "X-Request-Id", "mine", "Traceparent", trace)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	for name, want := range map[string]string{
		"X-Hop": "", "Forwarded": "", "X-Crossdock-User": "", "X-Real-Ip": "", "Authorization": "", "X-Forwarded-For": "127.0.0.1",
		"X-Request-Id": "mine", "Traceparent": trace,
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if h := answer.Header; len(h.Values("X-Request-Id")) != 1 || cmp.Diff([]string{"default-src 'self'"}, h.Values("Content-Security-Policy")) != "" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers of the answer: %v", h)
	}
	send(t, http.MethodGet, at+"/v1/x", "", "Authorization", "Bearer open", "Traceparent", "nonsense")
	if parent := got.Get("Traceparent"); len(parent) != len(trace) || parent == trace || got.Get("X-Request-Id") == "" {
		t.Errorf("traceparent %q, request id %q", parent, got.Get("X-Request-Id"))
	}
}

func TestBodiesAndWaitsAreBounded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	at := front(t, Config{Upstreams: []Upstream{
		{Name: "shop", Paths: []string{"/v1/"}, MaxBody: 10, URL: upstream(t, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, r.Body)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		})},
		{Name: "slow", Paths: []string{"/v1/slow"}, Timeout: 50 * time.Millisecond, URL: upstream(t, func(http.ResponseWriter, *http.Request) { <-release })},
	}})
	if answer, body := send(t, http.MethodPost, at+"/v1/x", "0123456789"); answer.StatusCode != http.StatusOK || body != "0123456789" {
		t.Errorf("what fits: %d %s", answer.StatusCode, body)
	}
	problem := func(answer reply, body string, status int, text string) {
		t.Helper()
		if answer.StatusCode != status || !strings.Contains(body, text) || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d %v %s, want %d with %q", answer.StatusCode, answer.Header, body, status, text)
		}
	}
	answer, body := send(t, http.MethodPost, at+"/v1/x", "0123456789+")
	problem(answer, body, http.StatusRequestEntityTooLarge, "larger than the 10 bytes")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/v1/x", io.MultiReader(strings.NewReader("0123456789"), strings.NewReader("+"))) // of no stated length
	if err != nil {
		t.Fatal(err)
	}
	chunked, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer chunked.Body.Close()
	text, _ := io.ReadAll(chunked.Body)
	problem(reply{chunked.StatusCode, chunked.Header}, string(text), http.StatusRequestEntityTooLarge, "larger than the 10 bytes")
	answer, body = send(t, http.MethodGet, at+"/v1/slow", "")
	problem(answer, body, http.StatusGatewayTimeout, "slow does not answer within 50ms")
}

func TestAnUpstreamThatIsAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	at := front(t, Config{Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, URL: "http://" + address}}})
	answer, body := send(t, http.MethodPost, at+"/v1/x", "a")
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "5" || !strings.Contains(body, "shop cannot be reached") {
		t.Errorf("%d %v %s", answer.StatusCode, answer.Header, body)
	}
	read := make(chan string, 1)
	go func() { // waits for the server to come back
		answer, err := http.Get(at + "/v1/x")
		if err != nil {
			read <- err.Error()
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		read <- string(text)
	}()
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "back") })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	if got := <-read; got != "back" {
		t.Errorf("a read over a restart: %s", got)
	}
}

func TestAnAnswerThatBreaksOffIsNotWhole(t *testing.T) {
	at := front(t, Config{Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, URL: upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}}})
	answer, err := http.Get(at + "/v1/x")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%q came as if it were all", text)
	}
}

// A shelf answers with a version, and counts how often it had to write it out.
type shelf struct {
	version atomic.Int64
	asked   atomic.Int64
	written atomic.Int64
	header  map[string]string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	etag := fmt.Sprintf(`"%d-%s"`, s.version.Load(), r.Header.Get("Accept-Language"))
	w.Header().Set("ETag", etag)
	w.Header().Set("Vary", "Accept-Language")
	for name, value := range s.header {
		w.Header().Set(name, value)
	}
	if web.Matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.written.Add(1)
	fmt.Fprintf(w, "version %d of %s", s.version.Load(), r.URL)
}

func TestAnswersAreKeptAsLongAsTheyHold(t *testing.T) {
	s := &shelf{}
	at := front(t, Config{Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, Cache: true, URL: upstream(t, s.ServeHTTP)}}})
	for i, tt := range []struct {
		path, header, value string
		status              int
		body                string
		asked, written      int64
	}{
		{"/v1/a", "", "", 200, "version 0 of /v1/a", 1, 1},
		{"/v1/a", "", "", 200, "version 0 of /v1/a", 2, 1},
		{"/v1/a", "If-None-Match", `"0-"`, 304, "", 3, 1},
		{"/v1/a", "If-None-Match", `"old"`, 200, "version 0 of /v1/a", 4, 1},
		{"/v1/a?b", "", "", 200, "version 0 of /v1/a?b", 5, 2},
		{"/v1/a", "Accept-Language", "de", 200, "version 0 of /v1/a", 6, 3},
		{"/v1/a", "Accept-Language", "de", 200, "version 0 of /v1/a", 7, 3},
		{"/v1/a", "Cache-Control", "no-store", 200, "version 0 of /v1/a", 8, 4},
		{"new version", "", "", 0, "", 0, 0},
		{"/v1/a", "Accept-Language", "de", 200, "version 1 of /v1/a", 9, 5},
		{"/v1/a", "Accept-Language", "de", 200, "version 1 of /v1/a", 10, 5},
	} {
		if tt.status == 0 {
			s.version.Add(1)
			continue
		}
		header := []string{"Accept-Encoding", "identity"}
		if tt.header != "" {
			header = append(header, tt.header, tt.value)
		}
		answer, body := send(t, http.MethodGet, at+tt.path, "", header...)
		if answer.StatusCode != tt.status || body != tt.body || s.asked.Load() != tt.asked || s.written.Load() != tt.written || answer.Header.Get("ETag") == "" {
			t.Errorf("%d: %d %q after %d requests, %d written out; want %d %q, %d, %d", i, answer.StatusCode, body, s.asked.Load(), s.written.Load(),
				tt.status, tt.body, tt.asked, tt.written)
		}
		if len(answer.Header.Values("X-Request-Id")) != 1 {
			t.Errorf("%d: request ids %v", i, answer.Header.Values("X-Request-Id"))
		}
	}
}

func TestAnswersThatMayNotBeKept(t *testing.T) {
	for name, value := range map[string]string{"Cache-Control": "private, max-age=60", "Vary": "*", "Set-Cookie": "a=b", "ETag": ""} {
		s := &shelf{header: map[string]string{name: value}}
		at := front(t, Config{Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, Cache: true, URL: upstream(t, s.ServeHTTP)}}})
		for range 2 {
			send(t, http.MethodGet, at+"/v1/a", "")
		}
		if s.written.Load() != 2 {
			t.Errorf("%s: %s is kept", name, value)
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache(3 * (keptOverhead + 100))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for i := range 10 {
		c.put(&kept{key: fmt.Sprint(i % 5), body: make([]byte, 99)})
		if i == 8 {
			c.get("2", r) // asked for, it stays longer
		}
	}
	if c.bytes != 3*(keptOverhead+100) || len(c.byKey) != 3 || c.order.Len() != 3 || c.get("2", r) == nil || c.get("4", r) == nil || c.get("0", r) != nil {
		t.Errorf("%d bytes, %v", c.bytes, c.byKey)
	}
	large := strings.Repeat("x", maxKept+1)
	at := front(t, Config{Upstreams: []Upstream{{Name: "shop", Paths: []string{"/v1/"}, Cache: true, URL: upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, large)
	})}}})
	if _, body := send(t, http.MethodGet, at+"/v1/a", ""); body != large {
		t.Errorf("%d bytes of a large answer, want %d", len(body), len(large))
	}
}

func TestDocumentsBecomeOne(t *testing.T) {
	serve := func(doc string) string {
		return upstream(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
	}
	at := front(t, Config{Upstreams: []Upstream{
		{Name: "catalog", Paths: []string{"/v1/products"}, URL: serve(`{"openapi":"3.1.0","paths":{"/v1/products":{"$ref":"#/components/schemas/Page"},"/v1/events":{}},
			"components":{"schemas":{"Page":{"type":"object"},"Error":{"type":"string"}}}}`)},
		{Name: "hub", Paths: []string{"/v1/"}, URL: serve(`{"paths":{"/v1/runs":{"x":[{"$ref":"#/components/schemas/Page"},{"$ref":"#/components/schemas/Error"}]},"/v1/events":{"y":1}},
			"components":{"schemas":{"Page":{"type":"array"},"Error":{"type":"string"}}}}`)},
		{Name: "pricing", Paths: []string{"/v1/prices"}, URL: "http://127.0.0.1:1"},
	}})
	_, body := send(t, http.MethodGet, at+"/openapi.json", "")
	var got, want any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	const all = `{"openapi":"3.1.0","info":{"title":"All","version":"1","description":"All of it. Not described here, because they cannot be reached: pricing."},
		"paths":{"/v1/products":{"$ref":"#/components/schemas/Page"},"/v1/events":{"y":1},
		"/v1/runs":{"x":[{"$ref":"#/components/schemas/hub-Page"},{"$ref":"#/components/schemas/Error"}]}},
		"components":{"schemas":{"Page":{"type":"object"},"hub-Page":{"type":"array"},"Error":{"type":"string"}}}}`
	if err := json.Unmarshal([]byte(all), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	if _, err := New(Config{Upstreams: []Upstream{{Name: "shop", URL: "shop:80"}}}); err == nil || !strings.Contains(err.Error(), "the address of shop") {
		t.Errorf("error %v", err)
	}
}
