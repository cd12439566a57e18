package schemas

import (
	"encoding/json"
	"math"
	"strconv"
)

// JSONSchema returns the JSON Schema (draft 2020-12) of one row as JSON.
//
// It says what the rules of presence say: the key alone is required, any other
// field may be left out, which keeps it, or be null, which clears it. Decimals
// are strings, for a JSON number is a float to most who read it. A localised
// field is an object with a member for each language, an open field one with
// a member for each property.
func (e *Entity) JSONSchema() map[string]any {
	properties := map[string]any{}
	required := []any{}
	for i := range e.Fields {
		f := &e.Fields[i]
		properties[f.Name] = f.jsonSchema()
		if f.Key && f.Required {
			required = append(required, f.Name)
		}
	}
	return map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                e.Name,
		"description":          e.Doc,
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
	}
}

// decimalPattern is the form in which decimals travel: what ParseDecimal
// takes, less what only people write (a plus sign, a bare point, zeros in front).
const decimalPattern = `^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$`

func (f *Field) jsonSchema() map[string]any {
	schema := f.valueSchema()
	description := f.Doc
	if f.Required && !f.Key {
		description += " Required when the row is created."
	}
	schema["description"] = description
	if f.Example != "" {
		schema["examples"] = []any{f.jsonValue(f.Example)}
	}
	if f.Default != "" {
		schema["default"] = f.jsonValue(f.Default)
	}
	return schema
}

// valueSchema says which values the field takes.
func (f *Field) valueSchema() map[string]any {
	switch f.Type {
	case Integer:
		return map[string]any{"type": f.orNull("integer"), "minimum": json.Number(strconv.Itoa(math.MinInt64)), "maximum": json.Number(strconv.Itoa(math.MaxInt64))}
	case DecimalType, Money, Quantity:
		return map[string]any{"type": f.orNull("string"), "pattern": decimalPattern}
	case Boolean:
		return map[string]any{"type": f.orNull("boolean")}
	case Date:
		return map[string]any{"type": f.orNull("string"), "format": "date"}
	case Timestamp: // a date alone is its first moment
		return map[string]any{"type": f.orNull("string"), "anyOf": []any{
			map[string]any{"format": "date-time"}, map[string]any{"format": "date"}, map[string]any{"type": "null"},
		}}
	case Enum:
		values := []any{}
		for _, v := range f.Values {
			values = append(values, v)
		}
		if !f.Key {
			values = append(values, nil)
		}
		return map[string]any{"enum": values}
	case LocalisedText:
		return map[string]any{
			"type":                 f.orNull("object"),
			"patternProperties":    map[string]any{languageTag.String(): f.textSchema()},
			"additionalProperties": false,
		}
	case List:
		return map[string]any{"type": f.orNull("array"), "items": map[string]any{"type": "string", "minLength": 1}}
	case JSON:
		if f.Open {
			return map[string]any{
				"type":                 f.orNull("object"),
				"propertyNames":        map[string]any{"pattern": memberName.String()},
				"additionalProperties": map[string]any{"type": []any{"string", "number", "boolean", "null"}},
			}
		}
		return map[string]any{}
	case Text, Identifier, Reference:
		return f.textSchema()
	}
	panic("schemas: type " + string(f.Type) + " has no JSON form") // refused when the registry loads
}

func (f *Field) textSchema() map[string]any {
	schema := map[string]any{"type": f.orNull("string")}
	if f.Key && f.Required {
		schema["minLength"] = 1
	}
	if f.MaxChars > 0 {
		schema["maxLength"] = f.MaxChars
	}
	return schema
}

// orNull is the type, with null beside it where the field can be cleared.
func (f *Field) orNull(kind string) any {
	if f.Key && f.Required {
		return kind
	}
	return []any{kind, "null"}
}

// jsonValue returns a value of the declaration as a row in JSON has it.
func (f *Field) jsonValue(text string) any {
	switch f.Type {
	case Integer:
		return json.Number(text)
	case Boolean:
		return text == "true"
	case LocalisedText:
		return map[string]any{exampleLanguage: text}
	case List:
		return []any{text}
	case JSON:
		if f.Open {
			return map[string]any{exampleMember: text}
		}
	case Text, Identifier, DecimalType, Money, Quantity, Date, Timestamp, Enum, Reference:
	}
	return text
}

// What stands for any language, and any member of an open field, in examples.
const (
	exampleLanguage = "en"
	exampleMember   = "colour"
)
