package api_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/hub/api"
	"crossdock/hub/journal"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// serve opens a hub with one run, r1, that has parked a row of so many columns.
func serve(t *testing.T, columns int) (dir string, handler http.Handler) {
	t.Helper()
	dir = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	h, err := hub.Open(t.Context(), hub.Config{Dir: dir, Registry: schemas.Default(), Clock: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.Journal().Begin(t.Context(), journal.Run{ID: "r1", Pipeline: "acme", Entity: "product", Cause: "command", Status: journal.Running}); err != nil {
		t.Fatal(err)
	}
	row := &journal.Row{
		Run: "r1", Pipeline: "acme", Entity: "product", Status: journal.OpenRow, Place: connectors.Place{Resource: "a.csv", Row: 2},
		Cells:    journal.Cells{Whole: true},
		Findings: []journal.Finding{{Rule: "gtin", Severity: schemas.Reject, Message: "is wrong", Position: 0}},
	}
	for i := range columns {
		row.Cells.Names = append(row.Cells.Names, fmt.Sprint("c", i+1))
		row.Cells.Values = append(row.Cells.Values, new("x"))
	}
	if err := h.Journal().Commit(t.Context(), journal.Claim{Run: "r1"}, journal.Commit{Counts: journal.Counts{Read: 1, Rejected: 1}, Parked: []*journal.Row{row}}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.Register(web.NewAPI(mux, web.Info{Title: "test", Version: "1"}), api.Config{Hub: h, Log: log})
	return dir, web.Wrap(mux, web.Options{Log: log, Clock: time.Now})
}

func download(t *testing.T, handler http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/runs/r1/errors.xlsx", nil))
	return w
}

func TestErrorsAreDownloadedWithTheirLength(t *testing.T) {
	dir, handler := serve(t, 3)
	w := download(t, handler)
	if w.Code != http.StatusOK || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("answer %d, Content-Length %q of %d bytes", w.Code, w.Header().Get("Content-Length"), w.Body.Len())
	}
	book, err := excelize.OpenReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if got, err := book.GetCellValue("acme", "D2"); got != "is wrong" || err != nil {
		t.Errorf("D2 = %q, %v; want what is wrong", got, err)
	}
	noWorkbook(t, dir)
}

func TestAWorkbookThatFailsIsNoEmptyAnswer(t *testing.T) {
	dir, handler := serve(t, 20_000) // more columns than a sheet has
	if w := download(t, handler); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"status":500`) {
		t.Errorf("answer %d %.200s; want a problem", w.Code, w.Body)
	}
	noWorkbook(t, dir)
}

// noWorkbook holds the download to leaving nothing in the data folder.
func noWorkbook(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "xlsx") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}
