package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPipelineIsProposedForAnUploadedFile(t *testing.T) {
	s := serveForTest(t)
	file := [2]string{"@file", "Artikelnummer;Bezeichnung;EAN\n0017;Mutter M8;4006381333931\n0018;Keil klein;4006381333931\n"}
	contentType, body := form(t, [2]string{"entity", "product"}, file)
	status, _, text := s.do(t, http.MethodPost, "/v1/suggestions", contentType, body)
	var p struct {
		Entity, YAML string
		Missing      []string
	}
	if err := json.Unmarshal(text, &p); err != nil || status != http.StatusOK {
		t.Fatalf("POST /v1/suggestions = %d %s", status, text)
	}
	if p.Entity != "product" || len(p.Missing) != 0 || !strings.Contains(p.YAML, "sku: Artikelnummer") || !strings.Contains(p.YAML, "path: lieferant.csv\n") {
		t.Errorf("proposed %+v", p)
	}
	for _, tt := range []struct {
		name  string
		parts [][2]string
		want  string
	}{
		{"no file", nil, `"location":"body.file"`},
		{"an unknown entity", [][2]string{{"entity", "prodct"}, file}, "did you mean product?"},
		{"an unknown part", [][2]string{file, {"pipeline", "x"}}, `"location":"body.pipeline"`},
		{"no rows", [][2]string{{"@file", "a;b\n"}}, "has a header but no rows"},
		{"nothing known", [][2]string{{"entity", "price"}, {"@file", "qqq;zzz\na b;c d\n"}}, "no column can be matched to a field of price"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			contentType, body := form(t, tt.parts...)
			status, _, text := s.do(t, http.MethodPost, "/v1/suggestions", contentType, body)
			if status != http.StatusUnprocessableEntity || !strings.Contains(string(text), tt.want) {
				t.Errorf("= %d %s, want 422 with %s", status, text, tt.want)
			}
		})
	}
	if _, _, document := s.do(t, http.MethodGet, "/openapi.json", "", nil); !strings.Contains(string(document), `"/v1/suggestions":`) {
		t.Error("the document of the API lacks suggestions")
	}
	if kept, _ := os.ReadDir(filepath.Join(s.app.settings.Data, "uploads")); len(kept) != 0 {
		t.Errorf("kept %v of files that were only looked at", kept)
	}
}
