package schemas

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile checks the schema against the meta-schema of draft 2020-12.
func compile(t *testing.T, e *Entity) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(e.JSONSchema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(e.Name+".json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(e.Name + ".json")
	if err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return schema
}

func TestExamplesKeepTheirJSONSchema(t *testing.T) {
	for _, e := range Default().Entities() {
		schema := compile(t, e)
		row, keyOnly, cleared := map[string]any{}, map[string]any{}, map[string]any{}
		for i := range e.Fields {
			f := &e.Fields[i]
			row[f.Name] = f.jsonValue(f.Example)
			if f.Default != "" {
				checkRow(t, schema, map[string]any{f.Name: f.jsonValue(f.Default)}, keyExamples(e))
			}
			cleared[f.Name] = nil
			if f.Key && f.Required {
				keyOnly[f.Name], cleared[f.Name] = f.Example, f.Example
			}
		}
		for _, row := range []map[string]any{row, keyOnly, cleared} {
			checkRow(t, schema, row, nil)
		}
	}
}

func keyExamples(e *Entity) map[string]any {
	key := map[string]any{}
	for _, f := range e.Key() {
		if f.Required {
			key[f.Name] = f.Example
		}
	}
	return key
}

func checkRow(t *testing.T, schema *jsonschema.Schema, row, key map[string]any) {
	t.Helper()
	whole := map[string]any{}
	for _, part := range []map[string]any{key, row} {
		maps.Copy(whole, part)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, schema, string(text)); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}

func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return schema.Validate(value)
}

func TestJSONSchemaOfAPrice(t *testing.T) {
	price, err := Default().Entity("price")
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, price)
	for _, tt := range []struct {
		row   string
		valid bool
	}{
		{`{"sku":"a","list":"b"}`, true},
		{`{"sku":"a","list":"b","amount":"12.5","min_quantity":"0.000001"}`, true},
		{`{"sku":"a","list":"b","amount":"-999999999999.999999"}`, true},
		{`{"sku":"a","list":"b","amount":null,"price_unit":100}`, true},
		{`{"sku":"a","list":"b","valid_from":"2026-01-01","valid_to":"2026-12-31T23:00:00+01:00"}`, true},
		{`{"sku":"a","list":"b","deleted":true}`, true},
		{`{"sku":"a"}`, false},                                     // half a key
		{`{"sku":"","list":"b"}`, false},                           // an empty one
		{`{"sku":null,"list":"b"}`, false},                         // a cleared one
		{`{"sku":17,"list":"b"}`, false},                           // an identifier is text
		{`{"sku":"a","list":"b","amount":12.5}`, false},            // a float
		{`{"sku":"a","list":"b","amount":"12,5"}`, false},          // a comma
		{`{"sku":"a","list":"b","amount":"1.0000001"}`, false},     // too fine
		{`{"sku":"a","list":"b","amount":"1000000000000"}`, false}, // too large
		{`{"sku":"a","list":"b","price_unit":1.5}`, false},
		{`{"sku":"a","list":"b","price_unit":"100"}`, false},
		{`{"sku":"a","list":"b","price_unit":9223372036854775808}`, false},
		{`{"sku":"a","list":"b","valid_from":"01.01.2026"}`, false},
		{`{"sku":"a","list":"b","deleted":"yes"}`, false},
		{`{"sku":"a","list":"b","colour":"red"}`, false}, // no such field
		{`[]`, false},
	} {
		if err := validate(t, schema, tt.row); (err == nil) != tt.valid {
			t.Errorf("%s: %v", tt.row, err)
		}
	}
}

func TestJSONSchemaOfAProduct(t *testing.T) {
	product, err := Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, product)
	for _, tt := range []struct {
		row   string
		valid bool
	}{
		{`{"sku":"a","name":{"de":"Schraube","fr-CA":null}}`, true},
		{`{"sku":"a","name":null,"attributes":null,"images":null,"status":null}`, true},
		{`{"sku":"a","attributes":{"colour":"red","Größe":40,"inox":true,"x":null}}`, true},
		{`{"sku":"a","images":["https://example.com/a.jpg"]}`, true},
		{`{"sku":"a","name":"Schraube"}`, false},          // in which language?
		{`{"sku":"a","name":{"german":"x"}}`, false},      // no language tag
		{`{"sku":"a","attributes":{"a b":"x"}}`, false},   // no name of a column
		{`{"sku":"a","attributes":{"a":{"b":1}}}`, false}, // too deep
		{`{"sku":"a","images":"https://example.com/a.jpg"}`, false},
		{`{"sku":"a","status":"sold"}`, false},
		{`{"sku":"` + strings.Repeat("a", 101) + `"}`, false}, // too long
	} {
		if err := validate(t, schema, tt.row); (err == nil) != tt.valid {
			t.Errorf("%s: %v", tt.row, err)
		}
	}
}
