package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"crossdock/connectors"
)

// FuzzJSON holds the parser to encoding/json, record by record, and the whole
// connector to its promises: no panic, no short reading, the same rows from
// any cursor.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		linesFile, arrayFile, "", "{}", "[]", `[{"a":1},{"a":{"b":[]}}]`, `{"a":-0.5e-3,"b":"\ud834\udd1e"}`,
		`{"a":{"b":null,"b":1}}`, "{\"a\":1}\n{\"a\":", `[{"a":"x"}`, "\xff\xfe{\x00}\x00", `{"a":1e9999,"b":0017}`,
		"[[[[]]]]", `{"a":"\u00"}`, "sku;name\n", `{"a.b":1,"a":{"b":2}}`, "{\"a\":\"x\ty\"}", `{"a":[{"b":1e5}]}`,
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), fmt.Sprintf("x%d.json", os.Getpid()))
	f.Fuzz(func(t *testing.T, input []byte) {
		compareRecord(t, input)
		if len(input) == 0 {
			return
		}
		if err := os.WriteFile(path, input, 0o600); err != nil {
			t.Fatal(err)
		}
		compareFile(t, path, input)
	})
}

// compareRecord parses one record as encoding/json does.
func compareRecord(t *testing.T, input []byte) {
	t.Helper()
	tree := newTree(5, explosion{})
	rec := record{text: input, whole: true}
	learned := newParser(tree, true).parse(rec)
	if err := tree.makeColumns(); err != nil {
		return
	}
	p := newParser(tree, false)
	fault := p.parse(rec)
	// That a path and a name are one column is seen when there are columns.
	twice := learned == nil && fault != nil && fault.rule == duplicate
	if !twice && ((learned == nil) != (fault == nil) || fault != nil && learned.rule != fault.rule) {
		t.Fatalf("%q: learned with %+v, read with %+v", input, learned, fault)
	}
	if fault != nil && (fault.at < 0 || fault.at > len(input)) {
		t.Fatalf("%q: the fault is at %d", input, fault.at)
	}
	valid := json.Valid(input)
	switch {
	case fault == nil && !valid:
		t.Fatalf("%q is taken for JSON", input)
	case fault != nil && fault.rule == malformed && valid:
		t.Fatalf("%q is JSON, but: %s at %d", input, fault.message, fault.at)
	case fault != nil:
		return
	}
	var want map[string]any
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("%q: %v", input, err)
	}
	for i, name := range tree.columns {
		c := p.cells[i]
		if c.stamp != p.stamp {
			t.Fatalf("%q: column %s has no cell", input, name)
		}
		if value, ok := lookUp(want, name); !ok || !same(c, value) {
			t.Fatalf("%q: column %s is %q of kind %d, want %v", input, name, c.value, c.kind, value)
		}
	}
}

// lookUp finds the value of a column, whose name may be a path or hold points.
func lookUp(object map[string]any, name string) (any, bool) {
	if value, ok := object[name]; ok {
		return value, true
	}
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		if inner, ok := object[name[:i]].(map[string]any); ok {
			if value, ok := lookUp(inner, name[i+1:]); ok {
				return value, true
			}
		}
	}
	return nil, false
}

func same(c cell, value any) bool {
	switch value := value.(type) {
	case nil:
		return c.value == nil && c.kind == connectors.TextCell
	case string:
		return string(c.value) == value && c.kind == connectors.TextCell
	case bool:
		return string(c.value) == fmt.Sprint(value) && c.kind == connectors.BooleanCell
	case json.Number:
		text := string(c.value)
		if strings.ContainsAny(text, "eE") { // too large to be written out
			return text == value.String()
		}
		got, ok := new(big.Rat).SetString(text)
		want, _ := new(big.Rat).SetString(value.String())
		return ok && got.Cmp(want) == 0 && c.kind == connectors.NumberCell
	}
	var got any
	decoder := json.NewDecoder(bytes.NewReader(c.value))
	decoder.UseNumber()
	if decoder.Decode(&got) != nil {
		return false
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(value)
	return bytes.Equal(a, b)
}

// compareFile reads the input as a file, at once and record by record from a
// cursor to the next.
func compareFile(t *testing.T, path string, input []byte) {
	t.Helper()
	src, err := Type().New(map[string]any{"path": path}, connectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := readAll(t.Context(), src)
	if err != nil {
		if _, ok := errors.AsType[*connectors.Error](err); !ok {
			t.Fatalf("%q: %v is no *connectors.Error", input, err)
		}
		if elements := objectsIn(input); elements > 0 {
			t.Fatalf("%q: an array of objects is refused: %v", input, err)
		}
		return
	}
	if elements := objectsIn(input); elements >= 0 && elements != len(whole) {
		t.Fatalf("%q: %d records, want %d", input, len(whole), elements)
	}
	compareParts(t, src, input, whole)
}

// compareParts reads from a cursor to the next, row by row.
func compareParts(t *testing.T, src connectors.Source, input []byte, whole []string) {
	t.Helper()
	if len(whole) > 200 {
		return // a file is opened for each
	}
	var parts []string
	cursor := connectors.Cursor("")
	for range len(input) + 2 {
		reader, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: cursor, BatchRows: 1})
		if err != nil {
			t.Fatalf("%q from %s: %v", input, cursor, err)
		}
		batch, err := reader.Next(t.Context())
		reader.Close()
		if err != nil {
			break
		}
		parts = append(parts, written(batch)...)
		cursor = batch.Cursor
	}
	if !sameRows(whole, parts) {
		t.Fatalf("%q: at once\n%s\nfrom cursor to cursor\n%s", input, strings.Join(whole, "\n"), strings.Join(parts, "\n"))
	}
}

// FuzzExplode explodes what may be arrays, at once and row by row.
func FuzzExplode(f *testing.F) {
	f.Add([]byte(`{"a":1,"p":[{"q":[1,{"x":2}]},{"q":[]},{"x":3}],"b":2}`+"\n"+`{"p":null}`), "p[*].q", true)
	f.Add([]byte(`[{"p":[1,null,"x",[2],{}]},{"p":{"y":1}},{"p":[]}]`), "p", false)
	f.Fuzz(func(t *testing.T, input []byte, explode string, emptyIsRow bool) {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, input, 0o600); err != nil {
			t.Fatal(err)
		}
		empty := "skip"
		if emptyIsRow {
			empty = "row"
		}
		src, err := Type().New(map[string]any{"path": path, "explode": explode, "explode_empty": empty}, connectors.Env{})
		if err != nil {
			return
		}
		whole, err := readAll(t.Context(), src)
		if err != nil {
			if _, ok := errors.AsType[*connectors.Error](err); !ok {
				t.Fatalf("%q: %v is no *connectors.Error", input, err)
			}
			return
		}
		compareParts(t, src, input, whole)
	})
}

// objectsIn counts the elements of an array of objects, -1 where the input is
// none, or holds what is refused for other reasons than syntax.
func objectsIn(input []byte) int {
	var elements []map[string]any
	if json.Unmarshal(input, &elements) != nil || !utf8.Valid(input) {
		return -1
	}
	for _, e := range elements {
		if e == nil {
			return -1
		}
	}
	if len(elements) == 0 {
		return -1
	}
	return len(elements)
}

// sameRows compares without order, for a batch has its rejects behind its rows.
func sameRows(a, b []string) bool {
	count := map[string]int{}
	for _, row := range a {
		count[row]++
	}
	for _, row := range b {
		count[row]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
