// Package schemas is the entity registry: it says what a product, a price or
// a stock level is, once, in data, for every channel that a row can take.
//
// Begin with [Default], the registry that ships, and [Entity]. What readers,
// rules, services, templates and API documents know about an entity derives
// from its declaration in entities/*.json:
//
//	entities/product.json ── Entity ──┬─ Column      Arrow column of a field, by language
//	                                  ├─ JSONSchema  for API documents and editors
//	                                  ├─ TemplateCSV, TemplateXLSX  files to fill in
//	                                  └─ Rules       what every row must keep, on every channel
//
// Codes of units, currencies, countries and languages are those of public
// standards: see [KnownCode], [UnitCode] and [ConvertUnit].
//
// The rules of presence are the same everywhere: an absent field keeps what
// the target holds, an explicit null clears it, a true [DeletedField] deletes
// the row, and an update needs the key alone.
package schemas

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Type is the kind of value that a field holds.
type Type string

// The types of fields, with the Arrow type that carries each in a [Batch].
const (
	Text          Type = "text"           // utf8
	Identifier    Type = "identifier"     // utf8; never a number, so that 0017 stays 0017
	Integer       Type = "integer"        // int64
	DecimalType   Type = "decimal"        // decimal64(18,6)
	Money         Type = "money"          // decimal64(18,6); Field.Currency names its currency
	Quantity      Type = "quantity"       // decimal64(18,6); Field.Unit names its unit
	Boolean       Type = "boolean"        // bool
	Date          Type = "date"           // date32
	Timestamp     Type = "timestamp"      // timestamp[us, UTC]
	Enum          Type = "enum"           // utf8; one of Field.Values
	Reference     Type = "reference"      // utf8; the key of a row of Field.Entity
	LocalisedText Type = "localised text" // one utf8 column per language: name.de
	List          Type = "list"           // utf8; a JSON array of strings
	JSON          Type = "json"           // utf8; one column per member where Field.Open: attributes.colour
)

// DeletedField is the field that every entity has beside those it declares:
// a row in which it is true deletes what the target holds under its key.
const DeletedField = "deleted"

// A Field is one property of an entity.
type Field struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Doc      string `json:"doc"`
	Example  string `json:"example,omitempty"`
	Key      bool   `json:"key,omitempty"`
	Required bool   `json:"required,omitempty"` // at creation; an update needs the key alone

	Values   []string `json:"values,omitempty"`   // of an enum, in the order of help
	Entity   string   `json:"entity,omitempty"`   // the entity that a reference points at
	Unit     string   `json:"unit,omitempty"`     // the field that holds the unit of a quantity, or a UN/ECE Rec 20 code
	Currency string   `json:"currency,omitempty"` // the field that holds the currency of an amount
	Open     bool     `json:"open,omitempty"`     // a json field whose members are columns of their own
	Default  string   `json:"default,omitempty"`  // taken at creation where the field is absent or null
	MaxChars int      `json:"max_chars,omitempty"`
	// Sensitive marks a field whose values are not kept in the error queue.
	Sensitive bool `json:"sensitive,omitempty"`

	// Synonyms are the headers under which suppliers and ERPs send the field,
	// by language (en, de, ...) and by system or format (sap, odoo, bmecat, ...).
	Synonyms map[string][]string `json:"synonyms,omitempty"`
	// ValueSynonyms are the words by which others mean the values of an enum,
	// in any language, by value.
	ValueSynonyms map[string][]string `json:"value_synonyms,omitempty"`
}

// An Entity declares one kind of row.
type Entity struct {
	Name    string  `json:"name"`
	Plural  string  `json:"plural"`
	Service string  `json:"service"` // the commerce service that owns its rows
	Doc     string  `json:"doc"`
	Fields  []Field `json:"fields"`

	// Deactivation is what becomes of a row that a snapshot no longer holds; nil:
	// it is deleted.
	Deactivation *Deactivation `json:"deactivation,omitempty"`

	// Rules hold on every channel, in the form that a pipeline's rules have.
	Rules []map[string]any `json:"rules,omitempty"`
}

// A Deactivation takes a row out of use, and keeps it.
type Deactivation struct {
	Field string   `json:"field"`
	Value string   `json:"value"`          // that the field gets
	From  []string `json:"from,omitempty"` // values that it may have had, so that the row was in use; empty: any other
}

// InUse reports whether a row with the value given is in use.
func (d *Deactivation) InUse(value string) bool {
	return value != d.Value && (len(d.From) == 0 || slices.Contains(d.From, value))
}

// Field returns the field with the name given, or nil.
func (e *Entity) Field(name string) *Field {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return &e.Fields[i]
		}
	}
	return nil
}

// Key returns the fields that together identify a row, in order.
func (e *Entity) Key() []*Field {
	var key []*Field
	for i := range e.Fields {
		if e.Fields[i].Key {
			key = append(key, &e.Fields[i])
		}
	}
	return key
}

// A Column is one Arrow column of an entity: a field, or one language or
// member of a field that has several.
type Column struct {
	Name  string // as a pipeline writes it: sku, name.de, attributes.colour
	Field *Field
	Sub   string // the language of a localised field or the member of an open one
}

var (
	languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)
	memberName  = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)
)

// Column resolves the name of a column. The error names the nearest field.
func (e *Entity) Column(name string) (Column, error) {
	base, sub, dotted := strings.Cut(name, ".")
	f := e.Field(base)
	if f == nil {
		return Column{}, fmt.Errorf("%s has no field %s%s", e.Name, base, DidYouMean(base, e.FieldNames()))
	}
	switch {
	case f.Type == LocalisedText && !languageTag.MatchString(sub):
		if dotted {
			return Column{}, fmt.Errorf("%s: %q is not a language tag such as de or fr-CA", base, sub)
		}
		return Column{}, fmt.Errorf("%s is localised: say in which language, as in %s.en", base, base)
	case f.Open && dotted && !memberName.MatchString(sub):
		return Column{}, fmt.Errorf("%s: %q is not a name for a member (letters, digits, - and _)", base, sub)
	case f.Open && !dotted:
		return Column{}, fmt.Errorf("%s has members: say which, as in %s.colour", base, base)
	case dotted && f.Type != LocalisedText && !f.Open:
		return Column{}, fmt.Errorf("%s is a single value and has no part %q", base, sub)
	}
	return Column{Name: name, Field: f, Sub: sub}, nil
}

// FieldNames returns the names of the fields in the order of declaration.
func (e *Entity) FieldNames() []string {
	names := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		names[i] = f.Name
	}
	return names
}

// ArrowType returns the type of the Arrow column that carries the field.
func (f *Field) ArrowType() arrow.DataType {
	switch f.Type {
	case Integer:
		return arrow.PrimitiveTypes.Int64
	case DecimalType, Money, Quantity:
		return &arrow.Decimal64Type{Precision: 18, Scale: DecimalScale}
	case Boolean:
		return arrow.FixedWidthTypes.Boolean
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case Text, Identifier, Enum, Reference, LocalisedText, List, JSON:
		return arrow.BinaryTypes.String
	}
	panic("schemas: type " + string(f.Type) + " has no Arrow form") // refused when the registry loads
}

// ArrowSchema returns the schema of a batch that holds the columns given.
func ArrowSchema(columns []Column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Field.ArrowType(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// valid reports whether the declaration can be used at all.
func (e *Entity) valid(known func(entity string) bool) error {
	if e.Name == "" || e.Plural == "" || e.Service == "" || e.Doc == "" {
		return fmt.Errorf("entity %q: name, plural, service and doc are required", e.Name)
	}
	if len(e.Key()) == 0 {
		return fmt.Errorf("entity %s: no field is the key", e.Name)
	}
	seen := map[string]bool{}
	for i := range e.Fields {
		f := &e.Fields[i]
		if seen[f.Name] {
			return fmt.Errorf("entity %s: field %s is declared twice", e.Name, f.Name)
		}
		seen[f.Name] = true
		if err := f.valid(e, known); err != nil {
			return fmt.Errorf("entity %s: field %s: %w", e.Name, f.Name, err)
		}
	}
	if d := e.Deactivation; d != nil {
		if f := e.Field(d.Field); f == nil || f.Key || f.Name == DeletedField || f.Type == LocalisedText || f.Open {
			return fmt.Errorf("entity %s: deactivation by %q, which is no field of one value beside the key", e.Name, d.Field)
		}
	}
	return nil
}

func types() []Type {
	return []Type{
		Text, Identifier, Integer, DecimalType, Money, Quantity, Boolean, Date,
		Timestamp, Enum, Reference, LocalisedText, List, JSON,
	}
}

func (f *Field) valid(e *Entity, known func(string) bool) error {
	switch {
	case f.Doc == "":
		return fmt.Errorf("doc is required")
	case !slices.Contains(types(), f.Type):
		return fmt.Errorf("unknown type %q", f.Type)
	case f.Type == Enum && len(f.Values) == 0:
		return fmt.Errorf("an enum needs values")
	case f.Type == Reference && !known(f.Entity):
		return fmt.Errorf("refers to the unknown entity %q", f.Entity)
	case f.Type == Enum && f.Default != "" && !slices.Contains(f.Values, f.Default):
		return fmt.Errorf("the default %q is none of its values", f.Default)
	case f.Type == Money && e.Field(f.Currency) == nil:
		return fmt.Errorf("an amount needs the field of its currency, %q is none", f.Currency)
	case f.Type == Quantity && e.Field(f.Unit) == nil && !KnownCode(Units, f.Unit):
		return fmt.Errorf("a quantity needs its unit: %q is neither a field nor a code of %s", f.Unit, Units)
	case f.Open && f.Type != JSON:
		return fmt.Errorf("only a json field can be open")
	case f.Key && f.Sensitive:
		return fmt.Errorf("a key is kept with every error, so that it cannot be sensitive")
	case f.Key && !f.Required && f.Default == "" && f.Type != Text && f.Type != Identifier:
		return fmt.Errorf("a key field that may be absent needs a default")
	}
	return nil
}
