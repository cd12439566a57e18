package quality

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"crossdock/schemas"
)

func compile(tb testing.TB, entityName string, mapped []schemas.Column, specs ...any) *Rules {
	tb.Helper()
	rules, errs := Compile(entity(tb, entityName), mapped, specs)
	if errs != nil {
		tb.Fatal(errs)
	}
	return rules
}

func rowNumber(row int) int64 { return int64(row) + 2 }

// everyColumn maps all fields of an entity, in one language, with one member.
func everyColumn(tb testing.TB, e *schemas.Entity) []schemas.Column {
	tb.Helper()
	var names []string
	for _, f := range e.Fields {
		switch {
		case f.Type == schemas.LocalisedText:
			f.Name += ".en"
		case f.Open:
			f.Name += ".colour"
		}
		names = append(names, f.Name)
	}
	return columns(tb, e, names...)
}

func TestRulesOfEveryEntityCompile(t *testing.T) {
	for _, e := range schemas.Default().Entities() {
		rules := compile(t, e.Name, everyColumn(t, e))
		names := rules.Names()
		for _, spec := range e.Rules {
			for key := range spec {
				if slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.Name == key }) && !slices.Contains(names, key) {
					t.Errorf("%s: the rule %s is lost", e.Name, key)
				}
			}
		}
		if !slices.Contains(names, "unique") || !slices.Contains(names, "required") {
			t.Errorf("%s has only the rules %v", e.Name, names)
		}
	}
}

func TestNothingMappedLeavesNothingToCheck(t *testing.T) {
	for _, e := range schemas.Default().Entities() {
		if names := compile(t, e.Name, nil).Names(); names != nil {
			t.Errorf("%s: %v look at no column", e.Name, names)
		}
	}
}

func TestDescribe(t *testing.T) {
	mapped := columns(t, entity(t, "product"), "sku", "name.de", "name.en", "status", "gtin")
	rules := compile(t, "product", mapped,
		map[string]any{"length": "name", "max": int64(40), "severity": "warn", "message": "is long"},
		map[string]any{"unique": []any{"gtin", "status"}})
	var got []string
	for _, d := range rules.Describe() {
		line := d.Name + " " + d.Field + " " + strings.Join(d.Fields, "+") + " " + string(d.Severity)
		for _, p := range []string{"min", "max", "values"} {
			if value, ok := d.Parameters[p]; ok {
				line += " " + p + "=" + value
			}
		}
		if d.BuiltIn {
			line += " built in"
		}
		if d.Doc == "" {
			t.Errorf("%s has no doc", d.Name)
		}
		got = append(got, strings.TrimSpace(line+" "+d.Message))
	}
	want := []string{
		"required sku sku reject built in",
		"length sku sku reject max=100 built in",
		"length gtin gtin reject max=14 built in",
		"required name name.de+name.en reject built in",
		"length name.de name.de reject max=500 built in",
		"length name.en name.en reject max=500 built in",
		"one_of status status reject values=draft, active, inactive, discontinued built in",
		"unique sku sku reject built in",
		"gtin gtin gtin reject built in",
		"length name.de name.de warn max=40 is long",
		"length name.en name.en warn max=40 is long",
		"unique  gtin+status reject",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantNames := []string{"required", "length", "one_of", "unique", "gtin"}
	if diff := cmp.Diff(wantNames, rules.Names()); diff != "" {
		t.Errorf("names: -want +got\n%s", diff)
	}
}

// The table of rules in the manual and the list in the code are the same.
func TestManualListsEveryRule(t *testing.T) {
	text, err := os.ReadFile("../../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, manual, _ := strings.Cut(string(text), "\n## Rules")
	for _, k := range Kinds() {
		row := ""
		for line := range strings.Lines(manual) {
			if strings.Contains(line, "`"+k.Name+":") {
				row = line
			}
		}
		if row == "" {
			t.Errorf("the manual lacks the rule %s", k.Name)
		}
		for _, p := range k.Parameters {
			if !strings.Contains(row, "`"+p.Name) && !strings.Contains(row, p.Name+":") {
				t.Errorf("the manual lacks the parameter %s of %s", p.Name, k.Name)
			}
		}
	}
}

func TestExamplesOfHelpCompile(t *testing.T) {
	e := entity(t, "product")
	for _, k := range Kinds() {
		var spec map[string]any
		if err := yaml.Unmarshal([]byte(k.Example), &spec); err != nil {
			t.Fatalf("%s: %s", k.Example, err)
		}
		_, errs := Compile(e, columns(t, e, "sku", "gtin", "mpn", "name.de", "brand", "manufacturer", "category",
			"pack_size", "min_order_quantity", "weight", "images"), []any{spec})
		for _, err := range errs {
			// Fields of other entities may be lacking; the rule itself may not.
			if !strings.Contains(err.Message, "product has no field") {
				t.Errorf("%s: %s", k.Example, err)
			}
		}
	}
}

func TestSelectedRowsAloneAreChecked(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "gtin")
	check := compile(t, "product", mapped).Start(nil)
	b := batch(t, e, mapped, []map[string]any{
		{"sku": "A", "gtin": "1"}, {"sku": "A", "gtin": "1"}, {"sku": "A", "gtin": nil}, {"sku": "A", "gtin": nil},
	})
	b.Selected = []int32{1, 2, 3}
	found, err := check.Batch(t.Context(), b, rowNumber)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range found {
		got = append(got, sentence(2, one))
	}
	want := []string{
		`row 3: gtin "1" has 1 digit, a GTIN has 8, 12, 13 or 14 (gtin)`,
		`row 5: sku "A" is the same as in row 4 (unique)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	Accept(b, found)
	if diff := cmp.Diff([]int32{2}, b.Selected); diff != "" {
		t.Errorf("selected: -want +got\n%s", diff)
	}
}

func TestAccept(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku")
	rows := []map[string]any{{"sku": "A"}, {"sku": "B"}, {"sku": "C"}}
	finding := func(row int, s schemas.Severity) schemas.Rejection { return schemas.Rejection{Row: row, Severity: s} }
	for _, tt := range []struct {
		name     string
		selected []int32
		found    []schemas.Rejection
		want     []int32
	}{
		{"nothing found leaves all", nil, nil, nil},
		{"warnings keep the row", nil, []schemas.Rejection{finding(1, schemas.Warn)}, nil},
		{"rejected rows go", nil, []schemas.Rejection{finding(1, schemas.Reject), finding(1, schemas.Reject)}, []int32{0, 2}},
		{"what was not selected stays out", []int32{1, 2}, []schemas.Rejection{finding(2, schemas.Reject)}, []int32{1}},
		{"none may be left", []int32{1}, []schemas.Rejection{finding(1, schemas.Reject)}, []int32{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := batch(t, e, mapped, rows)
			b.Selected = tt.selected
			Accept(b, tt.found)
			if diff := cmp.Diff(tt.want, b.Selected); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestColumnsAreFoundByName(t *testing.T) {
	e := entity(t, "product")
	check := compile(t, "product", columns(t, e, "sku", "gtin")).Start(nil)
	b := batch(t, e, columns(t, e, "gtin", "brand", "sku"), []map[string]any{{"sku": "A", "gtin": "1"}})
	found, err := check.Batch(t.Context(), b, rowNumber)
	if err != nil || len(found) != 1 || found[0].Field != "gtin" {
		t.Errorf("found %v, error %v", found, err)
	}
	_, err = check.Batch(t.Context(), batch(t, e, columns(t, e, "sku"), nil), rowNumber)
	if err == nil || err.Error() != "the batch lacks the column gtin that its rules look at" {
		t.Errorf("error %v", err)
	}
}

func TestReferencesAreAskedOnceForEachValue(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "category")
	x := &target{keys: map[string][]string{"category": {"bikes"}}}
	check := compile(t, "product", mapped).Start(x)
	for _, sku := range []string{"A", "B"} {
		b := batch(t, e, mapped, []map[string]any{
			{"sku": sku + "1", "category": "bikes"},
			{"sku": sku + "2", "category": "cars"},
			{"sku": sku + "3", "category": "bikes"},
			{"sku": sku + "4", "category": "cars"},
		})
		if found, err := check.Batch(t.Context(), b, rowNumber); err != nil || len(found) != 2 {
			t.Errorf("found %v, error %v", found, err)
		}
	}
	// What is known stays known; what is not may have come since.
	if diff := cmp.Diff([]string{"bikes", "cars", "cars"}, x.asked); diff != "" || x.calls != 2 {
		t.Errorf("%d calls, asked -want +got\n%s", x.calls, diff)
	}
}

func TestParentsOfEarlierBatchesAreNotAskedFor(t *testing.T) {
	e := entity(t, "category")
	mapped := columns(t, e, "category", "parent")
	x := &target{}
	specs := map[string]any{"reference": "parent"}
	check := compile(t, "category", mapped, specs).Start(x)
	for _, row := range []map[string]any{{"category": "A", "parent": nil}, {"category": "B", "parent": "A"}} {
		if found, err := check.Batch(t.Context(), batch(t, e, mapped, []map[string]any{row}), rowNumber); err != nil || len(found) != 0 {
			t.Errorf("found %v, error %v", found, err)
		}
	}
	if x.calls != 0 {
		t.Errorf("asked for %v", x.asked)
	}
}

// A batch that could not be checked to its end can be given again.
func TestFailedReferencesLeaveNoTrace(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "category", "mpn")
	x := &target{keys: map[string][]string{"category": {"bikes"}}}
	check := compile(t, "product", mapped, map[string]any{"unique": "mpn", "against": "target"}).Start(x)
	b := batch(t, e, mapped, []map[string]any{{"sku": "A", "category": "bikes", "mpn": "X"}})
	x.err = errors.New("connection refused")
	_, err := check.Batch(t.Context(), b, rowNumber)
	if !errors.Is(err, x.err) || err.Error() != "which category exist: connection refused" {
		t.Errorf("error %v", err)
	}
	b.Columns = columns(t, e, "sku", "category", "mpn")
	x.err = nil
	for i, want := range []int{0, 2} {
		found, err := check.Batch(t.Context(), b, rowNumber)
		if err != nil || len(found) != want {
			t.Errorf("time %d: found %v, error %v", i, found, err)
		}
	}
}

func TestAnswersMustBeAsManyAsQuestions(t *testing.T) {
	e := entity(t, "product")
	for _, name := range []string{"category", "mpn"} {
		mapped := columns(t, e, "sku", name)
		specs := []any{map[string]any{"unique": name, "against": "target"}}
		check := compile(t, "product", mapped, specs...).Start(mute{})
		_, err := check.Batch(t.Context(), batch(t, e, mapped, []map[string]any{{"sku": "A", name: "x"}}), rowNumber)
		if err == nil || !strings.Contains(err.Error(), "0 answers to 1") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRecentIsBounded(t *testing.T) {
	var r recent
	for hash := range uint64(3 * maxRecent) {
		r.add(hash)
		if n := len(r.young) + len(r.old); n > maxRecent {
			t.Fatalf("remembers %d", n)
		}
		if !r.has(hash) {
			t.Fatalf("%d is forgotten at once", hash)
		}
		r.has(7) // what is asked for is kept
	}
	if !r.has(7) || r.has(8) {
		t.Errorf("7 is remembered: %t, 8 is: %t", r.has(7), r.has(8))
	}
}

// Rules are shared by runs that go on at once.
func TestRunsDoNotShareState(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "base_unit", "status")
	rules := compile(t, "product", mapped, map[string]any{"expression": "length(sku) < 3"})
	b := batch(t, e, mapped, []map[string]any{{"sku": "A", "base_unit": "C62", "status": "actve"}, {"sku": "ABC", "base_unit": "c62"}})
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			found, err := rules.Start(nil).Batch(t.Context(), b, rowNumber)
			if err != nil || len(found) != 3 {
				t.Errorf("found %v, error %v", found, err)
			}
		})
	}
	runs.Wait()
}

func TestSeverestFindingStays(t *testing.T) {
	f := &findings{rejected: make([]bool, 2)}
	add := func(row int32, name, field string, s schemas.Severity, message string) {
		f.add(&rule{Description: Description{Name: name, Field: field, Severity: s}}, row, "", message)
	}
	add(1, "length", "sku", schemas.Warn, "first")
	add(0, "unique", "", schemas.Reject, "a and b")
	add(1, "length", "sku", schemas.Reject, "second")
	add(0, "unique", "", schemas.Reject, "c and d")
	add(1, "length", "sku", schemas.Warn, "third")
	add(1, "expression", "sku", schemas.Warn, "one")
	add(1, "expression", "sku", schemas.Warn, "another")
	var got []string
	for _, one := range f.sorted() {
		got = append(got, one.Message)
	}
	if diff := cmp.Diff([]string{"a and b", "c and d", "second", "one", "another"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
