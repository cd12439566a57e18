package examples

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A handmade pipeline is what a person wrote for a file, as far as proposals
// are compared with it.
type handmade struct {
	Source map[string]any `yaml:"source"`
	Entity string         `yaml:"entity"`
	Map    map[string]any `yaml:"map"`
}

// A proposal is what `suggest --json` prints.
type proposal struct {
	YAML string `json:"yaml"`
}

// TestProposalsAreLikeThePipelinesOfTheExamples proposes a pipeline for every
// file of the examples and compares it with the one that is there: a column is
// right when it fills a field, or a language or member of one, that the
// pipeline fills from it.
func TestProposalsAreLikeThePipelinesOfTheExamples(t *testing.T) {
	for _, folder := range []string{"first-light", "adventureworks"} {
		t.Run(folder, func(t *testing.T) {
			skipWithoutData(t, folder)
			files, err := filepath.Glob(folder + "/*.yaml")
			if err != nil {
				t.Fatal(err)
			}
			right, all := 0, 0
			for _, file := range files {
				n, of := compareProposal(t, file)
				right, all = right+n, all+of
			}
			t.Logf("%s: %d of %d columns right, %.1f%%", folder, right, all, 100*float64(right)/float64(all))
			if float64(right) < 0.8*float64(all) {
				t.Errorf("%d of %d mapped columns are right, fewer than 80%%", right, all)
			}
		})
	}
}

// compareProposal returns how many of the columns that a pipeline maps are
// right in the proposal for its file, of how many.
func compareProposal(t *testing.T, file string) (right, all int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var made handmade
	if err := yaml.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	args := []string{"suggest", filepath.Join(filepath.Dir(file), made.Source["path"].(string)), "--entity", made.Entity, "--json"}
	for _, setting := range slices.Sorted(maps.Keys(made.Source)) {
		if setting != "path" && setting != "connector" {
			value := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(made.Source[setting])), ","), "[]")
			args = append(args, "--source", setting+"="+value)
		}
	}
	var p proposal
	if err := json.Unmarshal(crossdock(t, t.TempDir(), 0, args...), &p); err != nil {
		t.Fatal(err)
	}
	var proposed handmade
	if err := yaml.Unmarshal([]byte(p.YAML), &proposed); err != nil {
		t.Fatal(err)
	}
	want, given := made.fields(), proposed.fields()
	for _, column := range slices.Sorted(maps.Keys(want)) {
		all++
		if slices.ContainsFunc(want[column], func(field string) bool { return slices.Contains(given[column], field) }) {
			right++
			continue
		}
		t.Logf("%s: %s fills %s, proposed was %q", file, column, strings.Join(want[column], ", "), given[column])
	}
	return right, all
}

// fields returns the fields that a pipeline fills from each source column.
func (p *handmade) fields() map[string][]string {
	fields := map[string][]string{}
	for target, from := range p.Map {
		for _, column := range columnsOf(from) {
			fields[column] = append(fields[column], baseOf(target))
		}
	}
	return fields
}

// baseOf returns the target without the name of a member, which is free.
func baseOf(target string) string {
	base, _, _ := strings.Cut(target, ".")
	if base == "attributes" {
		return base
	}
	return target
}

var inExpression = regexp.MustCompile(`column\("([^"]*)"\)|\b([A-Z]\w*)\b|"[^"]*"`)

// columnsOf returns the source columns that a right-hand side reads.
func columnsOf(from any) []string {
	form, ok := from.(map[string]any)
	if !ok {
		return []string{fmt.Sprint(from)}
	}
	var list []string
	switch {
	case form["expr"] != nil:
		for _, found := range inExpression.FindAllStringSubmatch(form["expr"].(string), -1) {
			list = append(list, found[1]+found[2])
		}
	case form["lookup"] != nil:
		for _, by := range form["by"].([]any) {
			list = append(list, columnsOf(by)...)
		}
	case form["column"] != nil:
		list = append(list, form["column"].(string))
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// TestProposalsPassTheirCheck writes proposals to files, which check accepts.
func TestProposalsPassTheirCheck(t *testing.T) {
	for _, file := range []string{"artikel.csv", "bestand.csv", "kategorien.csv", "lager.csv", "preise.csv", "preislisten.csv", "katalog.xlsx"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			written := filepath.Join(dir, "proposed.yaml")
			crossdock(t, dir, 0, "suggest", filepath.Join("first-light", file), "--output", written)
			crossdock(t, dir, 0, "check", written)
		})
	}
}
