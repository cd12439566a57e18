package schemas

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiledPipelineSchema compiles the schema of pipeline files.
func compiledPipelineSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(PipelineSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("pipeline.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("pipeline.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validatePipeline(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

func TestThePipelineSchemaAcceptsTheExamples(t *testing.T) {
	schema := compiledPipelineSchema(t)
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validatePipeline(t, schema, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestThePipelineSchemaRefuses(t *testing.T) {
	schema := compiledPipelineSchema(t)
	const good = "pipeline: a\nsource: { connector: csv, path: a.csv }\nentity: product\nmap: { sku: Nr }\n"
	if err := validatePipeline(t, schema, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"an unknown key":             {"entity: product", "entity: product\nshedule: daily"},
		"a missing map":              {"map: { sku: Nr }", ""},
		"an unknown mapping setting": {"sku: Nr", "sku: { colum: Nr }"},
		"an unknown rule":            {"map:", "rules: [{ gtinn: gtin }]\nmap:"},
		"a share that is a number":   {"map:", "on_reject: { stop_above: 0.2 }\nmap:"},
		"a source without connector": {"connector: csv, ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, change[0], change[1], 1)
			if err := validatePipeline(t, schema, []byte(text)); err == nil {
				t.Errorf("accepted\n%s", text)
			}
		})
	}
}
