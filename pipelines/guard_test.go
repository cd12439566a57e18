package pipelines_test

import (
	"strings"
	"testing"

	"crossdock/pipelines"
	"crossdock/schemas"
)

// parse returns the pipeline that a minimal text with more keys makes, or what
// is wrong with these.
func parse(t *testing.T, more string) (*pipelines.Pipeline, string) {
	t.Helper()
	const text = "pipeline: a\nsource: { connector: csv, path: a.csv }\nentity: product\nmap: { sku: Nr }\n"
	p, err := pipelines.Parse("a.yaml", []byte(text+more), schemas.Default())
	if err != nil {
		return nil, err.Error()
	}
	return p, ""
}

func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       pipelines.Guard
		wantErr    string
	}{
		{"none", "", pipelines.Guard{}, ""},
		{"all", "guard: { header: warn, min_rows: 37.5% }", pipelines.Guard{Header: pipelines.GuardWarn, MinRows: 0.375}, ""},
		{"no mapping", "guard: stop", pipelines.Guard{}, "a.yaml:5:1: guard: must be a mapping, as in { header: stop, min_rows: 50% }"},
		{"a word that is none", "guard: { header: stopp }", pipelines.Guard{}, `a.yaml:5:10: guard.header: is "stopp", but must be stop, warn or ignore, did you mean stop?`},
		{"a number", "guard: { min_rows: 50 }", pipelines.Guard{}, `a.yaml:5:10: guard.min_rows: is "50", but must be a share from 0% to 100%`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, message := parse(t, tt.text)
			if !strings.HasPrefix(message, tt.wantErr) || tt.wantErr == "" && message != "" {
				t.Fatalf("error %q, want %q", message, tt.wantErr)
			}
			if p != nil && (p.Guard.Header != tt.want.Header || p.Guard.MinRows != tt.want.MinRows) {
				t.Errorf("guard %+v, want %+v", p.Guard, tt.want)
			}
		})
	}
}
