package main

import (
	"os/exec"
	"path"
	"strings"
	"testing"
)

// mayImport says which of our packages a layer may import. The first pattern
// that matches a directory decides, so the narrow stands before the wide.
var mayImport = []struct{ layer, allowed string }{
	{"schemas", ""},
	{"connectors/all", "connectors connectors/*"},
	{"connectors/*", "schemas connectors"},
	{"connectors", "schemas"},
	{"pipelines", "schemas connectors pipelines/*"},
	{"pipelines/suggest", "schemas connectors pipelines/*"}, // it proposes what the others do
	{"pipelines/*", "schemas connectors pipelines/expression"},
	{"hub", "schemas connectors pipelines pipelines/suggest internal/* hub/*"},
	{"hub/broker/*", "hub/broker internal/*"},
	{"hub/broker", ""},
	{"hub/*", "schemas connectors pipelines pipelines/suggest internal/* hub hub/*"},
	{"commerce/internal/outbox", "commerce internal/*"},
	{"commerce/internal/*", "schemas commerce commerce/internal/outbox internal/*"}, // upsert applies what schemas declares, and tells of it
	{"commerce/*", "schemas commerce commerce/internal/* internal/*"},
	{"commerce", ""},
	{"internal/store/storetest", "internal/store internal/store/*"},
	{"internal/store/installation", "internal/store"},
	{"internal/store/transfer", "internal/store"},
	{"internal/store/*", "internal/child"},
	{"internal/rabbitserver", "internal/child"},
	{"internal/rabbitserver/rabbittest", "internal/rabbitserver"},
	{"internal/gateway", "internal/web"},
	{"internal/*", ""},
	{"cmd/*", "*"},
	{"examples", "*"},
}

// TestImports holds every package to its layer. A directory that no pattern
// matches fails: a new layer is a decision, made in the table above.
func TestImports(t *testing.T) {
	const format = `{{.ImportPath}} {{.Module.Path}} {{join .Imports " "}}`
	out, err := exec.Command("go", "list", "-f", format, "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		f := strings.Fields(line)
		root := f[1] + "/"
		from := strings.TrimPrefix(f[0], root)
		allowed, known := allowedTo(from)
		if !known {
			t.Errorf("%s: not in the table of layers", from)
			continue
		}
		for _, imported := range f[2:] {
			to, ours := strings.CutPrefix(imported, root)
			if ours && !allows(allowed, to) {
				t.Errorf("%s may not import %s", from, to)
			}
		}
	}
}

// allowedTo returns what the directory may import, and whether it is in the table.
func allowedTo(dir string) (allowed string, known bool) {
	for _, rule := range mayImport {
		if ok, _ := path.Match(rule.layer, dir); ok {
			return rule.allowed, true
		}
	}
	return "", false
}

// allows reports whether one of the patterns matches dir; "*" alone matches all.
func allows(patterns, dir string) bool {
	for p := range strings.FieldsSeq(patterns) {
		if ok, _ := path.Match(p, dir); ok || p == "*" {
			return true
		}
	}
	return false
}
