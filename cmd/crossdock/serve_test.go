package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/sync/errgroup"
)

const servedPipeline = `pipeline: served
source: { connector: csv, path: none.csv }
entity: product
map: { sku: Nr, name.en: Name, gtin: EAN }
`

// A served is a whole Crossdock behind an address.
type served struct {
	address string
	app     *app
	system  *system
	end     func() // what the test's end does, sooner
}

func serveForTest(t *testing.T, prepare ...func(*app)) *served {
	t.Helper()
	pipelines := t.TempDir()
	if err := os.WriteFile(filepath.Join(pipelines, "served.yaml"), []byte(servedPipeline), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{
		stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler),
		settings: settings{Data: t.TempDir(), Pipelines: pipelines},
	}
	for _, fn := range prepare {
		fn(a)
	}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return s.hub.Work(ctx) })
	for _, one := range s.services {
		group.Go(func() error { return one.Run(ctx) })
	}
	server := httptest.NewServer(a.handler(s))
	end := sync.OnceFunc(func() {
		server.Close()
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return &served{server.URL, a, s, end}
}

// do sends a request and returns status, headers and body.
func (s *served) do(t *testing.T, method, path, contentType string, body io.Reader) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, text
}

func (s *served) get(t *testing.T, path string, into any) {
	t.Helper()
	status, _, body := s.do(t, http.MethodGet, path, "", nil)
	if status != http.StatusOK {
		t.Fatalf("GET %s = %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// form makes a multipart body; a name that begins with @ is that of a file.
func form(t *testing.T, parts ...[2]string) (contentType string, body io.Reader) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range parts {
		var err error
		if name, isFile := strings.CutPrefix(part[0], "@"); isFile {
			var to io.Writer
			if to, err = w.CreateFormFile(name, "lieferant.csv"); err == nil {
				_, err = io.WriteString(to, part[1])
			}
		} else {
			err = w.WriteField(part[0], part[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &b
}

type runView struct {
	Run, Pipeline, Status, Input, Error         string
	Read, Applied, Unchanged, Rejected, Skipped int64
}

const uploaded = "Nr;Name;EAN\n0017;Mutter;4006381333931\n0018;;\n0019;Keil;4006381333932\n"

// upload sends a file and returns the run when it has ended.
func (s *served) upload(t *testing.T, content string) runView {
	t.Helper()
	contentType, body := form(t, [2]string{"pipeline", "served"}, [2]string{"again", "true"}, [2]string{"@file", content})
	status, header, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body)
	var run runView
	if err := json.Unmarshal(text, &run); status != http.StatusAccepted || err != nil || header.Get("Location") != "/v1/runs/"+run.Run {
		t.Fatalf("POST /v1/imports = %d %v %s", status, header, text)
	}
	return s.ended(t, header.Get("Location"))
}

// ended waits until the run at the location has ended.
func (s *served) ended(t *testing.T, location string) (run runView) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.get(t, location, &run)
		if run.Status != "queued" && run.Status != "running" {
			return run
		}
	}
	t.Fatalf("run %+v has not ended", run)
	return run
}

func TestAnUploadedFileIsServedAndItsErrorsComeBackInItsLayout(t *testing.T) {
	s := serveForTest(t)
	run := s.upload(t, uploaded)
	if run.Status != "partial" || run.Read != 3 || run.Applied != 1 || run.Rejected != 2 || run.Input != "lieferant.csv" {
		t.Fatalf("run = %+v, want 3 read, 1 applied, 2 rejected", run)
	}

	var product struct{ SKU, GTIN string }
	s.get(t, "/v1/products/0017", &product)
	if product.SKU != "0017" || product.GTIN != "4006381333931" {
		t.Errorf("product = %+v, want 0017 with its GTIN", product)
	}

	var errs struct {
		Items []struct {
			Rule, Field, Value string
			Origin             struct {
				Resource, Column string
				Row              int
			}
			Row map[string]*string
		}
		Next string `json:"next_cursor"`
	}
	s.get(t, "/v1/runs/"+run.Run+"/errors?limit=1", &errs)
	if len(errs.Items) != 1 || errs.Next == "" {
		t.Fatalf("first page = %+v, want one error and a next", errs)
	}
	if e := errs.Items[0]; e.Rule != "required" || e.Origin.Resource != "lieferant.csv" || e.Origin.Row != 3 || e.Origin.Column != "Name" || *e.Row["Nr"] != "0018" {
		t.Errorf("error = %+v, want required at lieferant.csv:3:Name", e)
	}
	s.get(t, "/v1/runs/"+run.Run+"/errors?cursor="+errs.Next, &errs)
	if len(errs.Items) != 1 || errs.Items[0].Rule != "gtin" {
		t.Errorf("second page = %+v, want gtin", errs.Items)
	}

	status, header, sheet := s.do(t, http.MethodGet, "/v1/runs/"+run.Run+"/errors.xlsx", "", nil)
	if status != http.StatusOK || !strings.Contains(header.Get("Content-Disposition"), run.Run) {
		t.Fatalf("errors.xlsx = %d %v", status, header)
	}
	book, err := excelize.OpenReader(bytes.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil || len(rows) != 3 || !slices.Equal(rows[0], []string{"Nr", "Name", "EAN", "_errors", "_row", "_row_token"}) || rows[1][0] != "0018" {
		t.Errorf("sheet = %q, %v; want the file's own columns and two rows", rows, err)
	}

	if again := s.upload(t, uploaded); again.Applied != 0 || again.Unchanged != 1 || again.Rejected != 2 {
		t.Errorf("second upload = %+v, want nothing applied", again)
	}
}

func TestAnUploadThatCannotRunSaysWhy(t *testing.T) {
	s := serveForTest(t)
	run := s.upload(t, "PK\x03\x04 not a csv")
	if run.Status != "failed" || !strings.HasPrefix(run.Error, "lieferant.csv: is not a text file") {
		t.Errorf("run = %+v, want the reason with the name of the file", run)
	}
}

func TestImportsRefuseWhatIsNoImport(t *testing.T) {
	s := serveForTest(t)
	pipeline, file := [2]string{"pipeline", "served"}, [2]string{"@file", uploaded}
	for _, tt := range []struct {
		name   string
		parts  [][2]string
		status int
		want   string
	}{
		{"no pipeline", [][2]string{file}, 422, `"location":"body.pipeline"`},
		{"no file", [][2]string{pipeline}, 422, `"location":"body.file"`},
		{"an unknown pipeline", [][2]string{{"pipeline", "serfed"}, file}, 422, "did you mean served?"},
		{"an unknown part", [][2]string{pipeline, file, {"mode", "x"}}, 422, `"location":"body.mode"`},
		{"two files", [][2]string{pipeline, file, file}, 422, `"location":"body.file"`},
		{"an empty file", [][2]string{pipeline, {"@file", ""}}, 422, "the file is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			contentType, body := form(t, tt.parts...)
			status, header, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body)
			if status != tt.status || !strings.Contains(string(text), tt.want) || header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("= %d %s %s, want %d with %s", status, header.Get("Content-Type"), text, tt.status, tt.want)
			}
			if kept, _ := os.ReadDir(filepath.Join(s.app.settings.Data, "uploads")); len(kept) != 0 {
				t.Errorf("kept %v of a refused form", kept)
			}
		})
	}
	t.Run("no form", func(t *testing.T) {
		if status, _, text := s.do(t, http.MethodPost, "/v1/imports", "text/csv", strings.NewReader(uploaded)); status != http.StatusUnsupportedMediaType {
			t.Errorf("= %d %s", status, text)
		}
	})
	t.Run("a form that breaks off", func(t *testing.T) {
		contentType, body := form(t, pipeline, file)
		whole, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		status, _, text := s.do(t, http.MethodPost, "/v1/imports", contentType, bytes.NewReader(whole[:len(whole)-60]))
		if status != http.StatusBadRequest {
			t.Errorf("= %d %s", status, text)
		}
		if kept, _ := os.ReadDir(filepath.Join(s.app.settings.Data, "uploads")); len(kept) != 0 {
			t.Errorf("kept %v of a broken form", kept)
		}
	})
}

func TestProblemsNameTheField(t *testing.T) {
	s := serveForTest(t)
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"/v1/products/none", 404, `none`},
		{"/v1/products?limt=3", 400, `"location":"query.limt"`},
		{"/v1/products?limit=9999", 400, `"location":"query.limit"`},
		{"/v1/products?cursor=%21", 400, `cursor`},
		{"/v1/prices", 400, `sku`},
		{"/v1/prices?sku=a&quantity=many", 400, `quantity`},
		{"/v1/availability", 400, `sku`},
		{"/v1/runs/none", 404, `there is no run`},
		{"/v1/runs/none/errors.xlsx", 404, `there is no run`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			status, header, text := s.do(t, http.MethodGet, tt.path, "", nil)
			if status != tt.status || !strings.Contains(string(text), tt.want) || header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("= %d %s %s, want %d with %s", status, header.Get("Content-Type"), text, tt.status, tt.want)
			}
		})
	}
}

func TestTheProcessDescribesAndMeasuresItself(t *testing.T) {
	s := serveForTest(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	s.get(t, "/openapi.json", &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s, want 3.1", doc.OpenAPI)
	}
	_, _, text := s.do(t, http.MethodGet, "/openapi.json", "", nil)
	if !strings.Contains(string(text), `"Cells":{"additionalProperties":{"type":["string","null"]}`) {
		t.Error("the document does not say what the cells of a row look like")
	}
	for _, path := range []string{
		"/v1/products", "/v1/products/{sku}", "/v1/categories", "/v1/prices", "/v1/availability",
		"/v1/imports", "/v1/runs", "/v1/runs/{id}", "/v1/runs/{id}/errors", "/v1/runs/{id}/errors.xlsx", "/v1/runs/{id}:approve", "/v1/runs/{id}:revert",
	} {
		if doc.Paths[path] == nil {
			t.Errorf("the document lacks %s", path)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		var health map[string]string
		s.get(t, path, &health)
	}
	status, header, text := s.do(t, http.MethodGet, "/metrics", "", nil)
	if status != http.StatusOK || !strings.Contains(string(text), `crossdock_http_requests_total{method="GET",route="/healthz",status="200"} 1`) {
		t.Errorf("metrics = %d %s, want the request counted by its route", status, text)
	}
	if header.Get("X-Request-Id") == "" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers = %v, want a request id and nosniff", header)
	}
}
