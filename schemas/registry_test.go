package schemas

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/text/language"
)

func TestRegistryHoldsEveryDeclaration(t *testing.T) {
	files, err := fs.Glob(declarations, "entities/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("entities: %v, %v", files, err)
	}
	var names []string
	for _, e := range Default().Entities() {
		names = append(names, "entities/"+e.Name+".json")
	}
	for _, file := range files {
		if !slices.Contains(names, file) {
			t.Errorf("%s is not in entityOrder", file)
		}
	}
	if len(names) != len(files) {
		t.Errorf("%d entities of %d files", len(names), len(files))
	}
}

func TestRegistryPutsReferredBeforeReferring(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Default().Entities() {
		seen[e.Name] = true
		for _, f := range e.Fields {
			if f.Type == Reference && !seen[f.Entity] {
				t.Errorf("%s.%s refers to %s, which stands behind it", e.Name, f.Name, f.Entity)
			}
		}
	}
}

func TestRegistryFindsEntities(t *testing.T) {
	e, err := Default().Entity("product")
	if err != nil || e.Plural != "products" {
		t.Fatalf("Entity(product) = %v, %v", e, err)
	}
	if _, err := Default().Entity("prodcut"); errText(err) != "unknown entity prodcut, did you mean product? (see: crossdock schema list)" {
		t.Errorf("Entity(prodcut): %v", err)
	}
}

// parseExample reads a value as the declaration and the API write it.
func parseExample(t *testing.T, f *Field, text string) error {
	t.Helper()
	var err error
	switch f.Type {
	case Integer:
		var d Decimal
		if d, err = ParseDecimal(text); err == nil && !d.IsInteger() {
			t.Errorf("%s: %q is no whole number", f.Name, text)
		}
	case DecimalType, Money, Quantity:
		_, err = ParseDecimal(text)
	case Boolean:
		if text != "true" && text != "false" {
			t.Errorf("%s: %q is not a boolean", f.Name, text)
		}
	case Date:
		_, err = time.Parse(time.DateOnly, text)
	case Timestamp:
		if _, err = time.Parse(time.RFC3339, text); err != nil {
			_, err = time.Parse(time.DateOnly, text)
		}
	case Enum:
		if !slices.Contains(f.Values, text) {
			t.Errorf("%s: %q is none of %v", f.Name, text, f.Values)
		}
	case Text, Identifier, Reference, LocalisedText, List, JSON:
	}
	return err
}

func TestEveryFieldIsDocumented(t *testing.T) {
	for _, e := range Default().Entities() {
		for i := range e.Fields {
			f := &e.Fields[i]
			at := e.Name + "." + f.Name
			if !strings.HasSuffix(strings.TrimSuffix(f.Doc, ")"), ".") || strings.ToUpper(f.Doc[:1]) != f.Doc[:1] {
				t.Errorf("%s: the doc is no sentence: %q", at, f.Doc)
			}
			if f.Example == "" || strings.ContainsAny(f.Example[:1], "=+-@\t") {
				t.Errorf("%s: the example %q is missing, or a spreadsheet takes it for a formula", at, f.Example)
				continue
			}
			if err := parseExample(t, f, f.Example); err != nil {
				t.Errorf("%s: example: %v", at, err)
			}
			if f.Default != "" {
				if err := parseExample(t, f, f.Default); err != nil {
					t.Errorf("%s: default: %v", at, err)
				}
			}
			if f.MaxChars > 0 && len(f.Example) > f.MaxChars {
				t.Errorf("%s: the example is longer than %d characters", at, f.MaxChars)
			}
			if len(f.Synonyms) == 0 && f.Name != DeletedField {
				t.Errorf("%s has no synonyms", at)
			}
		}
	}
}

func TestExamplesKeepTheRulesOfCodes(t *testing.T) {
	lists := map[string]CodeList{"unit": Units, "currency": Currencies, "country": Countries, "language": Languages}
	for _, e := range Default().Entities() {
		for _, rule := range e.Rules {
			for name, list := range lists {
				if field, ok := rule[name].(string); ok && !KnownCode(list, e.Field(field).Example) {
					t.Errorf("%s.%s: the example %q is no code of %s", e.Name, field, e.Field(field).Example, list)
				}
			}
		}
	}
}

// One header must not mean two fields of an entity, or suggestions are dice.
func TestSynonymsAreUnambiguous(t *testing.T) {
	systems := strings.Fields("sap odoo netsuite dynamics salesforce bmecat datanorm gs1 shopify magento djust")
	for _, e := range Default().Entities() {
		owner := map[string]string{}
		for _, f := range e.Fields {
			owner[squeeze(f.Name)] = f.Name
		}
		for _, f := range e.Fields {
			for key, headers := range f.Synonyms {
				if _, err := language.ParseBase(key); !slices.Contains(systems, key) && (err != nil || len(key) != 2) {
					t.Errorf("%s.%s: synonyms of %q, which is neither a language nor a system", e.Name, f.Name, key)
				}
				for _, header := range headers {
					s := squeeze(header)
					if other := owner[s]; other != "" && other != f.Name {
						t.Errorf("%s: %q (%s) means %s and %s", e.Name, header, key, other, f.Name)
					}
					owner[s] = f.Name
					if strings.TrimSpace(header) != header || header == "" {
						t.Errorf("%s.%s: synonym %q", e.Name, f.Name, header)
					}
				}
			}
		}
		for _, f := range e.Fields {
			for _, lang := range []string{"en", "de", "fr", "es", "it", "nl"} {
				if f.Name != DeletedField && len(f.Synonyms[lang]) == 0 {
					t.Errorf("%s.%s has no synonyms in %s", e.Name, f.Name, lang)
				}
			}
		}
	}
}

func TestColumn(t *testing.T) {
	product, err := Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, sub, wantErr string }{
		{"sku", "", ""},
		{"deleted", "", ""},
		{"name.de", "de", ""},
		{"name.fr-CA", "fr-CA", ""},
		{"name.zh-Hant", "zh-Hant", ""},
		{"attributes.colour", "colour", ""},
		{"attributes.Größe", "Größe", ""},
		{"skuu", "", "product has no field skuu, did you mean sku?"},
		{"name", "", "name is localised: say in which language, as in name.en"},
		{"name.german", "", `name: "german" is not a language tag such as de or fr-CA`},
		{"name.", "", `name: "" is not a language tag such as de or fr-CA`},
		{"attributes", "", "attributes has members: say which, as in attributes.colour"},
		{"attributes.a b", "", `attributes: "a b" is not a name for a member (letters, digits, - and _)`},
		{"sku.de", "", `sku is a single value and has no part "de"`},
	} {
		c, err := product.Column(tt.name)
		if errText(err) != tt.wantErr {
			t.Errorf("Column(%q) error = %v, want %s", tt.name, err, tt.wantErr)
		}
		if err == nil && (c.Name != tt.name || c.Sub != tt.sub || !strings.HasPrefix(tt.name, c.Field.Name)) {
			t.Errorf("Column(%q) = %+v", tt.name, c)
		}
	}
}

func TestArrowSchemaNamesEveryColumn(t *testing.T) {
	for _, e := range Default().Entities() {
		columns, err := e.TemplateColumns([]string{"de", "en"})
		if err != nil {
			t.Fatal(err)
		}
		schema := ArrowSchema(columns)
		for i, c := range columns {
			if f := schema.Field(i); f.Name != c.Name || !f.Nullable {
				t.Errorf("%s: column %d is %s", e.Name, i, f)
			}
		}
	}
}

func TestLoadRefusesWhatCannotBeUsed(t *testing.T) {
	whole := func(field string) string {
		return `{"name":"category","plural":"categories","service":"catalog","doc":"D.","fields":[{"name":"code","type":"identifier","key":true,"required":true,"doc":"D."},` + field + `]}`
	}
	for _, tt := range []struct{ category, want string }{
		{`{`, "entities/category.json: unexpected EOF"},
		{`{"colour":1}`, `entities/category.json: json: unknown field "colour"`},
		{`{"name":"category"}`, `entity "category": name, plural, service and doc are required`},
		{`{"name":"category","plural":"x","service":"x","doc":"x"}`, "entity category: no field is the key"},
		{whole(`{"name":"code","type":"text","doc":"D."}`), "entity category: field code is declared twice"},
		{whole(`{"name":"x","type":"text"}`), "entity category: field x: doc is required"},
		{whole(`{"name":"x","type":"float","doc":"D."}`), `entity category: field x: unknown type "float"`},
		{whole(`{"name":"x","type":"enum","doc":"D."}`), "entity category: field x: an enum needs values"},
		{whole(`{"name":"x","type":"enum","values":["a"],"default":"b","doc":"D."}`), `entity category: field x: the default "b" is none of its values`},
		{whole(`{"name":"x","type":"reference","entity":"y","doc":"D."}`), `entity category: field x: refers to the unknown entity "y"`},
		{whole(`{"name":"x","type":"money","doc":"D."}`), `entity category: field x: an amount needs the field of its currency, "" is none`},
		{whole(`{"name":"x","type":"quantity","unit":"kg","doc":"D."}`), `entity category: field x: a quantity needs its unit: "kg" is neither a field nor a code of UN/ECE Rec 20`},
		{whole(`{"name":"x","type":"text","open":true,"doc":"D."}`), "entity category: field x: only a json field can be open"},
		{whole(`{"name":"x","type":"integer","key":true,"doc":"D."}`), "entity category: field x: a key field that may be absent needs a default"},
	} {
		files := fstest.MapFS{"entities/category.json": {Data: []byte(tt.category)}}
		for name := range strings.FieldsSeq(entityOrder) {
			if name != "category" {
				text, err := fs.ReadFile(declarations, "entities/"+name+".json")
				if err != nil {
					t.Fatal(err)
				}
				files["entities/"+name+".json"] = &fstest.MapFile{Data: text}
			}
		}
		if _, err := load(files); errText(err) != tt.want {
			t.Errorf("load: %v\n want %s", err, tt.want)
		}
	}
	if _, err := load(fstest.MapFS{}); err == nil {
		t.Error("an entity without a file is not missed")
	}
}
