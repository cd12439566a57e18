package servicetest

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Golden sends GET requests to a handler and compares each answer, its status
// before it, with the file in testdata that the request names. With -update it
// writes the files instead.
func Golden(t *testing.T, handler http.Handler, targets ...string) {
	t.Helper()
	update := flag.Lookup("update") != nil && flag.Lookup("update").Value.String() == "true"
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
			got := pretty(t, answer)
			file := filepath.Join("testdata", fileName(target))
			if update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("GET %s answers\n%s\nwant, from %s,\n%s", target, got, file, want)
			}
		})
	}
}

func pretty(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("HTTP " + http.StatusText(answer.Code) + " " + answer.Header().Get("Content-Type") + "\n")
	if err := json.Indent(&b, answer.Body.Bytes(), "", "  "); err != nil {
		t.Fatalf("%s: %v", answer.Body, err)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func fileName(target string) string {
	text, err := url.QueryUnescape(target)
	if err != nil {
		text = target
	}
	return strings.Trim(regexp.MustCompile(`[^A-Za-z0-9.]+`).ReplaceAllString(text, "_"), "_") + ".golden"
}

// Get sends a GET request to a handler, decodes the answer into v, and returns
// the status and the header.
func Get(t testing.TB, handler http.Handler, target string, v any, header ...string) (int, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if v != nil && answer.Body.Len() > 0 {
		if err := json.Unmarshal(answer.Body.Bytes(), v); err != nil {
			t.Fatalf("GET %s: %s: %v", target, answer.Body, err)
		}
	}
	return answer.Code, answer.Header()
}
