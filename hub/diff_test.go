package hub

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

func someChanges() []Change {
	old, formula := "-1.5", "=1+1"
	return []Change{
		{"a.csv:2", "product", "+A", "update", "weight", &old, nil},
		{"a.csv:3", "product", "B", "create", "name.en", nil, &formula},
		{"a.csv:4", "product", "C", "create", "name.en", nil, &formula},
	}
}

func TestADiffIsNoFormula(t *testing.T) {
	var b bytes.Buffer
	f, err := NewDiffFile(&b, "csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range someChanges()[:2] {
		if err := f.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b.Bytes(), []byte("\ufeff")))).ReadAll()
	want := [][]string{
		{"origin", "entity", "key", "kind", "field", "old", "new"},
		{"a.csv:2", "product", "'+A", "update", "weight", "-1.5", ""},
		{"a.csv:3", "product", "B", "create", "name.en", "", "'=1+1"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestADiffGoesOnOnAnotherSheet(t *testing.T) {
	var b bytes.Buffer
	f, err := newDiffWorkbook(&b, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range someChanges() {
		if err := f.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows := map[string][][]string{}
	for _, name := range book.GetSheetList() {
		if rows[name], err = book.GetRows(name); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string][][]string{
		"changes": {
			{"origin", "entity", "key", "kind", "field", "old", "new"},
			{"a.csv:2", "product", "+A", "update", "weight", "-1.5"},
			{"a.csv:3", "product", "B", "create", "name.en", "", "=1+1"},
		},
		"2 changes": {
			{"origin", "entity", "key", "kind", "field", "old", "new"},
			{"a.csv:4", "product", "C", "create", "name.en", "", "=1+1"},
		},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if formula, err := book.GetCellFormula("changes", "G3"); formula != "" || err != nil {
		t.Errorf("formula %q, %v", formula, err)
	}
}
