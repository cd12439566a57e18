package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
)

// realData is where the data of some examples lies, which is no part of the
// project.
const realData = "../../shared/data"

var command string // built once for all tests

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "crossdock-examples-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		command = filepath.Join(dir, "crossdock")
		build := exec.Command("go", "build", "-tags", "sqlite_fts5", "-o", command, "../cmd/crossdock")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// A summary is what `run --json` prints of a run.
type summary struct {
	Pipeline  string `json:"pipeline"`
	Read      int    `json:"read"`
	Applied   int    `json:"applied"`
	Unchanged int    `json:"unchanged"`
	Rejected  int    `json:"rejected"`
	Skipped   int    `json:"skipped"`
	Warned    int    `json:"warned"`
}

// A finding is what `errors list --json` prints of a thing that is wrong.
type finding struct {
	Rule     string           `json:"rule"`
	Severity string           `json:"severity"`
	Origin   connectors.Place `json:"origin"`
}

// TestExamples runs every folder three times: what comes out is what its README
// says, the second time nothing is read, and when it is, nothing changes.
func TestExamples(t *testing.T) {
	for _, folder := range folders(t) {
		t.Run(folder, func(t *testing.T) {
			skipWithoutData(t, folder)
			data := t.TempDir()
			counts := tableOf(t, folder, "pipeline")
			want := summaries(t, folder, counts)
			wantExit := exitOf(want)

			got := runFolder(t, data, folder, wantExit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("first run (-README +run):\n%s", diff)
			}
			if listed := placesOf(t, folder); len(listed) > 0 {
				if diff := cmp.Diff(listed, findings(t, data)); diff != "" {
					t.Errorf("findings (-README +run):\n%s", diff)
				}
			}
			for _, s := range runFolder(t, data, folder, 0) {
				if s.Read != 0 {
					t.Errorf("second run of %s has read %d rows, want its files passed over", s.Pipeline, s.Read)
				}
			}
			for i := range want {
				want[i].Applied, want[i].Unchanged = 0, want[i].Applied+want[i].Unchanged
			}
			if diff := cmp.Diff(want, runFolder(t, data, folder, wantExit, "--again")); diff != "" {
				t.Errorf("run of the same files again (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCatalogAlone runs the pipeline of the project's README by itself, in an
// empty data folder.
func TestCatalogAlone(t *testing.T) {
	data := t.TempDir()
	const file = "first-light/catalog.yaml"
	for _, args := range [][]string{{"check", file}, {"preview", file, "--rows", "5"}} {
		crossdock(t, data, 0, args...)
	}
	rows := tableOf(t, "first-light", "pipeline")
	i := slices.IndexFunc(rows, func(row []string) bool { return row[0] == "catalog.yaml" })
	want := summaries(t, "first-light", rows)[i]
	if diff := cmp.Diff([]summary{want}, decodeLines[summary](t, crossdock(t, data, exitOf([]summary{want}), "run", file, "--json"))); diff != "" {
		t.Errorf("catalog.yaml alone (-README +run):\n%s", diff)
	}
}

// TestValues looks at single values that mappings make, which counts do not show.
func TestValues(t *testing.T) {
	for _, tt := range []struct{ file, row, column, want string }{
		{"first-light/catalog.yaml", "AR-5381", "name.de", "Axial-Rillenkugellager 51204"},
		{"first-light/catalog.yaml", "AR-5381", "base_unit", "C62"},
		{"first-light/catalog.yaml", "AR-5381", "weight", "0.081"},
		{"first-light/catalog.yaml", "AR-5371", "description.de", "Einseitig wirkend, für reine Axialbelastung.\nMuster gegen Schutzgebühr von 5,00 €."},
		{"first-light/catalog-xlsx.yaml", "0017103", "category", "410"},
		{"first-light/catalog-xlsx.yaml", "0017103", "attributes.available_from", "2026-01-01"},
		{"first-light/catalog-xlsx.yaml", "0017103", "attributes.length_mm", "150"},
		{"first-light/prices.yaml", "AR-5381", "valid_from", "2025-12-31T23:00:00Z"},
		{"first-light/prices.yaml", "AR-5381", "valid_to", "2026-12-31T23:00:00Z"},
		{"first-light/prices.yaml", "WD-1022", "price_unit", "100"},
		{"first-light/stock.yaml", "WD-2040", "on_hand", "1290"},
		{"adventureworks/12-subcategories.yaml", "tires-and-tubes", "parent", "accessories"},
		{"adventureworks/20-products.yaml", "FR-R92B-58", "weight", "1.016047"},
		{"adventureworks/20-products.yaml", "RM-M464", "weight", "0.435"},
		{"adventureworks/20-products.yaml", "HL-U509", "category", "helmets"},
		{"adventureworks/20-products.yaml", "HL-U509", "description.fr", "Légère, aérée, taille unique, avec une visière amovible."},
		{"adventureworks/20-products.yaml", "HL-U509", "description.zh-Hant", "通用型透气良好且轻便，带有自合型帽沿。"},
		{"adventureworks/40-price-history.yaml", "HL-U509-R", "valid_to", "2023-05-30T00:00:00Z"},
		{"bmecat/10-categories.yaml", "4", "parent", "2"},
		{"bmecat/20-articles.yaml", "1000", "category", "5"},
		{"bmecat/20-articles.yaml", "1000", "base_unit", "C62"},
		{"bmecat/20-articles.yaml", "1000", "attributes.voltages", `["110","220"]`},
		{"bmecat/30-products.yaml", "1303890000", "name.en", "Safety relay"},
		{"bmecat/30-products.yaml", "1303890000", "weight", "0.177"},
		{"bmecat/30-products.yaml", "1303890000", "attributes.width", "22.5"},
		{"bmecat/40-price-lists.yaml", "23-97", "name.en", "Agreement 23/97, BuyCo Inc."},
		{"bmecat/50-prices.yaml", "1000", "valid_to", "2001-08-01T00:00:00Z"},
	} {
		t.Run(tt.file+" "+tt.row+" "+tt.column, func(t *testing.T) {
			skipWithoutData(t, filepath.Dir(tt.file))
			if got := valueOf(t, tt.file, tt.row, tt.column); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDescriptions counts the products for which each lookup finds its text.
func TestDescriptions(t *testing.T) {
	skipWithoutData(t, "adventureworks")
	p := previewOf(t, "adventureworks/20-products.yaml")
	for i, column := range p.Columns {
		if !strings.HasPrefix(column, "description.") {
			continue
		}
		found := 0
		for _, row := range p.Rows {
			if row.Values[i] != nil {
				found++
			}
		}
		if found != 294 {
			t.Errorf("%s: %d products have one, want 294", column, found)
		}
	}
}

// A preview is what `preview --json` prints.
type preview struct {
	Columns []string `json:"columns"`
	Rows    []struct {
		Values []*string `json:"values"`
	} `json:"rows"`
}

func previewOf(t *testing.T, file string) preview {
	t.Helper()
	var p preview
	if err := json.Unmarshal(crossdock(t, t.TempDir(), 0, "preview", file, "--rows", "1000", "--json"), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// valueOf returns what a pipeline maps for a column, in the first row in which
// any column has the value given for the row.
func valueOf(t *testing.T, file, row, column string) string {
	t.Helper()
	p := previewOf(t, file)
	at := slices.Index(p.Columns, column)
	for _, one := range p.Rows {
		named := slices.ContainsFunc(one.Values, func(v *string) bool { return v != nil && *v == row })
		if named && at >= 0 && one.Values[at] != nil {
			return *one.Values[at]
		}
	}
	return ""
}

func folders(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*/README.md")
	if err != nil || len(paths) == 0 {
		t.Fatal("no example folders", err)
	}
	for i, path := range paths {
		paths[i] = filepath.Dir(path)
	}
	return paths
}

func skipWithoutData(t *testing.T, folder string) {
	t.Helper()
	if folder != "adventureworks" && folder != "bmecat" {
		return
	}
	if _, err := os.Stat(filepath.Join(realData, folder)); err != nil {
		t.Skip("the data of the example is not beside the project:", err)
	}
}

func runFolder(t *testing.T, data, folder string, wantExit int, flags ...string) []summary {
	t.Helper()
	return decodeLines[summary](t, crossdock(t, data, wantExit, append([]string{"run", folder, "--json"}, flags...)...))
}

// exitOf returns the exit code of runs that end so: 3 where rows were rejected.
func exitOf(runs []summary) int {
	if slices.ContainsFunc(runs, func(s summary) bool { return s.Rejected > 0 }) {
		return 3
	}
	return 0
}

// crossdock runs the command and returns what it wrote to its output.
func crossdock(t *testing.T, data string, wantExit int, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), command, append(args, "--data", data)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exit := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		exit = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if exit != wantExit {
		t.Fatalf("crossdock %s: exit %d, want %d\n%s%s", strings.Join(args, " "), exit, wantExit, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

func decodeLines[T any](t *testing.T, text []byte) []T {
	t.Helper()
	var list []T
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		list = append(list, one)
	}
}

// findings returns all that the error queue holds, by place, rule and severity.
func findings(t *testing.T, data string) []string {
	t.Helper()
	list := []string{}
	for _, severity := range []string{"reject", "warn"} {
		var found []finding
		if err := json.Unmarshal(crossdock(t, data, 0, "errors", "list", "--severity", severity, "--json"), &found); err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			list = append(list, strings.Join([]string{f.Origin.String(), f.Rule, f.Severity}, " "))
		}
	}
	slices.Sort(list)
	return list
}

// placesOf returns the faults that the README of a folder lists.
func placesOf(t *testing.T, folder string) []string {
	t.Helper()
	list := []string{}
	for _, row := range tableOf(t, folder, "place") {
		severity := "reject"
		if rule, isWarning := strings.CutSuffix(row[1], ", warns"); isWarning {
			row[1], severity = rule, "warn"
		}
		list = append(list, strings.Join([]string{row[0], row[1], severity}, " "))
	}
	slices.Sort(list)
	return list
}

// summaries reads the counts that the README promises for each pipeline.
func summaries(t *testing.T, folder string, rows [][]string) []summary {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(files) != len(rows) {
		t.Fatalf("README lists %d pipelines, the folder holds %d: %v", len(rows), len(files), err)
	}
	list := make([]summary, len(rows))
	for i, row := range rows {
		if file := filepath.Base(files[i]); file != row[0] {
			t.Fatalf("README lists %s where %s runs", row[0], file)
		}
		var n [5]int
		for k := range n {
			if n[k], err = strconv.Atoi(row[len(row)-len(n)+k]); err != nil {
				t.Fatalf("README, %s: %v", row[0], err)
			}
		}
		text, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(string(text), "pipeline:")
		name, _, _ = strings.Cut(name, "\n")
		list[i] = summary{Pipeline: strings.TrimSpace(name), Read: n[0], Applied: n[1], Rejected: n[2], Skipped: n[3], Warned: n[4]}
		list[i].Unchanged = n[0] - n[1] - n[2] - n[3] // further rows of a key, which bring nothing new
	}
	return list
}

// tableOf returns the rows of the table in a folder's README whose first
// column has the header given, without their backquotes; nil where there is none.
func tableOf(t *testing.T, folder, header string) [][]string {
	t.Helper()
	text, err := os.ReadFile(folder + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| "+header+" |")
	if !found {
		return nil
	}
	var rows [][]string
	for i, line := range strings.Split(table, "\n") {
		if i < 2 {
			continue // the rest of the header, and the line below it
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for k, cell := range cells {
			cells[k] = strings.ReplaceAll(strings.TrimSpace(cell), "`", "")
		}
		rows = append(rows, cells)
	}
	return rows
}
