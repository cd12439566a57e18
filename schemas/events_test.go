package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the schemas of events, and their document")

// TestEveryEntityHasItsEvents holds the files of events to what the entities
// declare. Files of other events are written by hand.
func TestEveryEntityHasItsEvents(t *testing.T) {
	derived := map[string]bool{}
	for _, e := range Default().Entities() {
		for _, want := range e.ChangeEvents() {
			derived[want.Name] = true
			if *update {
				if err := os.WriteFile(filepath.Join("events", want.Name+".json"), want.Schema, 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			got, err := EventTypeOf(want.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			if diff := cmp.Diff(string(want.Schema), string(got.Schema)); diff != "" {
				t.Errorf("%s: run go test ./schemas -update: %s", want.Name, diff)
			}
			got.Schema, want.Schema = nil, nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	}
	for _, got := range EventTypes() {
		if strings.HasSuffix(got.Name, ".changed.v1") && !derived[got.Name] {
			t.Errorf("%s is of no entity", got.Name)
		}
	}
}

func TestEveryFileOfEventsIsNamedAfterItsType(t *testing.T) {
	files, err := os.ReadDir("events")
	if err != nil {
		t.Fatal(err)
	}
	var names, types []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file.Name(), ".json"))
	}
	for _, e := range EventTypes() {
		types = append(types, e.Name)
		if e.Doc == "" || e.Service == "" {
			t.Errorf("%s: doc %q, service %q", e.Name, e.Doc, e.Service)
		}
	}
	if diff := cmp.Diff(names, types); diff != "" {
		t.Error(diff)
	}
	if !slices.IsSorted(types) {
		t.Errorf("%q are not sorted", types)
	}
}

func compileEvent(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	event, err := EventTypeOf(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(event.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(name) // by the meta-schema
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemasOfEventsTellRightFromWrong(t *testing.T) {
	many := `"` + strings.Repeat(`a","`, MaxEventKeys) + `b"`
	for _, tt := range []struct {
		event, data string
		valid       bool
	}{
		{"catalog.product.changed.v1", `{"batch":"r/1","keys":["A","B"]}`, true},
		{"catalog.product.changed.v1", `{"batch":"r/1","keys":["A"],"origin":"later"}`, true}, // members may be added
		{"catalog.product.changed.v1", `{"batch":"r/1","keys":[]}`, false},
		{"catalog.product.changed.v1", `{"batch":"r/1","keys":[["A","B"]]}`, false},
		{"catalog.product.changed.v1", `{"batch":"r/1"}`, false},
		{"catalog.product.changed.v1", `{"keys":["A"]}`, false},
		{"catalog.product.changed.v1", `{"batch":"r/1","keys":[` + many + `]}`, false},
		{"pricing.price.deleted.v1", `{"batch":"r/1","keys":[["A","eu","C62","1","2026-01-01T00:00:00Z"]]}`, true},
		{"pricing.price.deleted.v1", `{"batch":"r/1","keys":[["A","eu"]]}`, false},
		{"pricing.price.deleted.v1", `{"batch":"r/1","keys":["A"]}`, false},
	} {
		if err := validate(t, compileEvent(t, tt.event), tt.data); (err == nil) != tt.valid {
			t.Errorf("%s %.80s: %v", tt.event, tt.data, err)
		}
	}
}

func TestAnUnknownEventIsNamedWithItsNeighbour(t *testing.T) {
	_, err := EventTypeOf("catalog.products.changed.v1")
	if want := "there is no event catalog.products.changed.v1, did you mean catalog.product.changed.v1?"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestTheDocumentOfEvents(t *testing.T) {
	got := AsyncAPI("1.2.3")
	if *update {
		if err := os.WriteFile("testdata/asyncapi.golden", got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/asyncapi.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./schemas -update: %s", diff)
	}
}

// TestTheDocumentOfEventsIsWhole follows every reference, and compiles every
// payload as a consumer of the document would.
func TestTheDocumentOfEventsIsWhole(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(AsyncAPI("1")))
	if err != nil {
		t.Fatal(err)
	}
	resolve(t, doc, doc)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range EventTypes() {
		schema, err := compiler.Compile("asyncapi.json#/components/messages/" + e.Name + "/payload")
		if err != nil {
			t.Fatal(err)
		}
		const head = `{"specversion":"1.0","id":"a","time":"2026-11-21T06:00:00Z","sequence":"0000000000000000042","datacontenttype":"application/json",`
		if err := validate(t, schema, head+`"source":"/`+e.Service+`","type":"`+e.Name+`","data":{}}`); err == nil {
			t.Errorf("%s: its data are not looked at", e.Name)
		}
	}
	schema, err := compiler.Compile("asyncapi.json#/components/messages/catalog.product.changed.v1/payload")
	if err != nil {
		t.Fatal(err)
	}
	const event = `{"specversion":"1.0","id":"a","source":"/catalog","type":"catalog.product.changed.v1","time":"2026-11-21T06:00:00Z",` +
		`"sequence":"0000000000000000042","datacontenttype":"application/json","data":{"batch":"r/1","keys":["A"]}}`
	if err := validate(t, schema, event); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{`"/pricing"`, `"catalog.product.deleted.v1"`, `"42"`} {
		for _, right := range []string{`"/catalog"`, `"catalog.product.changed.v1"`, `"0000000000000000042"`} {
			if err := validate(t, schema, strings.Replace(event, right, wrong, 1)); err == nil {
				t.Errorf("%s stands for %s", wrong, right)
			}
		}
	}
}

// resolve looks up what the $ref of a part of the document point at.
func resolve(t *testing.T, doc, part any) {
	t.Helper()
	switch part := part.(type) {
	case []any:
		for _, v := range part {
			resolve(t, doc, v)
		}
	case map[string]any:
		for _, v := range part {
			resolve(t, doc, v)
		}
		ref, ok := part["$ref"].(string)
		if !ok {
			return
		}
		at := doc
		for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			object, _ := at.(map[string]any)
			if at = object[name]; at == nil {
				t.Errorf("%s points at nothing", ref)
				return
			}
		}
	}
}

func TestEventTypesAreTheCallersOwn(t *testing.T) {
	EventTypes()[0].Name = "changed"
	if _, err := json.Marshal(EventTypes()[0]); err != nil || EventTypes()[0].Name == "changed" {
		t.Error("a caller has changed the types of all")
	}
}
