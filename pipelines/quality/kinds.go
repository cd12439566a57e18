package quality

import (
	"slices"
	"strings"

	"crossdock/schemas"
)

// A Kind is one sort of rule, for help and editors.
type Kind struct {
	Name       string      `json:"name"`
	Doc        string      `json:"doc"` // what must be true, as a clause
	Example    string      `json:"example"`
	Parameters []Parameter `json:"parameters,omitempty"`
}

// A Parameter stands beside the name of a rule.
type Parameter struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Required bool   `json:"required,omitempty"`
}

// Kinds lists all sorts of rules, in the order of help.
func Kinds() []Kind {
	list := make([]Kind, 0, 16)
	for _, k := range kinds() {
		list = append(list, k.Kind)
	}
	return list
}

// AcrossRows reports whether the rule of that name compares rows of a run.
func AcrossRows(name string) bool {
	return slices.Contains([]string{"unique", "monotonic", "tiers", "group_has", "first_tier", "no_overlap"}, name)
}

// A kind knows how to make rules of its sort.
type kind struct {
	Kind
	fits  func(schemas.Type) bool // types of fields that it can look at
	needs string                  // what those are, for messages
	reach reach
	build func(c *compiler, s *spec, r *rule)
}

// A reach says how the fields that a spec lists make rules.
type reach uint8

const (
	eachColumn  reach = iota // a rule for each column
	eachField                // a rule for each field, over all its languages or members
	allTogether              // one rule over all of them
	noField                  // the rule finds its fields itself
)

// kinds is the list of all rules. It is a function since nothing in this
// package is a variable.
func kinds() []*kind {
	return []*kind{
		{
			Kind: Kind{Name: "required", Doc: "there is a value", Example: "required: [name.de, category]"},
			fits: anyType, reach: eachField, build: buildRequired,
		},
		textKind("length", "the text has as many characters as allowed", "{ length: brand, min: 2, max: 40 }", buildLength,
			Parameter{Name: "min", Doc: "fewest characters"}, Parameter{Name: "max", Doc: "most characters"}),
		{
			Kind: Kind{
				Name: "range", Doc: "the number, date or time lies within bounds", Example: "{ range: weight, above: 0, max: 500 }",
				Parameters: []Parameter{
					{Name: "min", Doc: "the least value allowed"},
					{Name: "max", Doc: "the greatest value allowed"},
					{Name: "above", Doc: "a bound that itself is too small"},
					{Name: "below", Doc: "a bound that itself is too large"},
				},
			},
			fits: isOrdered, needs: "a number, a date or a time", build: buildRange,
		},
		textKind("pattern", "the whole text matches", `{ pattern: sku, regex: '[A-Z]{2}-\d+' }`, buildPattern,
			Parameter{Name: "regex", Doc: "a regular expression in RE2 syntax", Required: true}),
		{
			Kind: Kind{
				Name: "one_of", Doc: "the value is one of these", Example: "{ one_of: brand, values: [SKF, FAG] }",
				Parameters: []Parameter{{Name: "values", Doc: "the values allowed", Required: true}},
			},
			fits: func(t schemas.Type) bool { return isText(t) || isOrdered(t) }, needs: "text, a number, a date or a time", build: buildOneOf,
		},
		{
			Kind: Kind{
				Name: "unique", Doc: "no earlier row of the run has the same", Example: "unique: [mpn, manufacturer]",
				Parameters: []Parameter{{Name: "against", Doc: "target: no other row of the target has it either"}},
			},
			fits: anyType, reach: allTogether, build: buildUnique,
		},
		{
			Kind: Kind{Name: "reference", Doc: "the row that the reference points at exists in the target", Example: "reference: category"},
			fits: func(t schemas.Type) bool { return t == schemas.Reference }, needs: "fields that point at an entity", build: buildReference,
		},
		textKind("gtin", "a GTIN of 8, 12, 13 or 14 digits with a right check digit", "gtin: gtin", buildGTIN),
		codeKind("currency", "a currency code of ISO 4217", schemas.Currencies),
		codeKind("unit", "a unit code of UN/ECE Rec 20", schemas.Units),
		codeKind("language", "a language tag of BCP 47", schemas.Languages),
		codeKind("country", "a country code of ISO 3166-1", schemas.Countries),
		textKind("url", "an http or https address that can be used; of a list every item", "url: images", buildURL),
		textKind("email", "an email address that can be used; of a list every item", "email: contact", buildEmail),
		{
			Kind: Kind{Name: "date_order", Doc: "the first date or time lies before the second", Example: "date_order: [valid_from, valid_to]"},
			fits: isMoment, needs: "a date or a time", reach: allTogether, build: buildDateOrder,
		},
		{
			Kind: Kind{
				Name: "monotonic", Doc: "in every group the value does not rise, or fall, while another rises",
				Example: "{ monotonic: amount, by: min_quantity, per: price_unit, order: falling, group: [sku, list] }",
				Parameters: []Parameter{
					{Name: "by", Doc: "the field that rises", Required: true},
					{Name: "order", Doc: "falling: the value must not rise; rising: it must not fall", Required: true},
					{Name: "per", Doc: "the field with the number that the value is for"},
					groupParameter(), targetParameter(),
				},
			},
			fits: isOrdered, needs: "a number, a date or a time", reach: allTogether, build: buildMonotonic,
		},
		{
			Kind: Kind{
				Name: "tiers", Doc: "the unit price does not rise with min_quantity", Example: "tiers: amount",
				Parameters: []Parameter{groupParameter(), targetParameter()},
			},
			fits: isDecimal, needs: "an amount", reach: allTogether, build: buildTiers,
		},
		{
			Kind: Kind{
				Name: "group_has", Doc: "in every group of the source some row has the value",
				Example:    "{ group_has: brand, value: ACME, group: category }",
				Parameters: []Parameter{{Name: "value", Doc: "the value that a row of every group has", Required: true}, groupParameter(), targetParameter()},
			},
			fits: func(t schemas.Type) bool { return isText(t) || isOrdered(t) }, needs: "text, a number, a date or a time",
			reach: allTogether, build: buildGroupHas,
		},
		{
			Kind: Kind{
				Name: "first_tier", Doc: "every price has a tier for the quantity 1", Example: "first_tier: min_quantity",
				Parameters: []Parameter{groupParameter(), targetParameter()},
			},
			fits: isDecimal, needs: "a quantity", reach: allTogether, build: buildFirstTier,
		},
		{
			Kind: Kind{
				Name: "no_overlap", Doc: "no two stretches from the first field to the second overlap in a group",
				Example: "{ no_overlap: [valid_from, valid_to], group: [sku, list] }", Parameters: []Parameter{groupParameter(), targetParameter()},
			},
			fits: isOrdered, needs: "a number, a date or a time", reach: allTogether, build: buildNoOverlap,
		},
		{
			Kind: Kind{
				Name: "expression", Doc: "the expression is true", Example: "{ expression: 'min_order_quantity % pack_size == 0', severity: warn }",
				Parameters: []Parameter{{Name: "field", Doc: "the field to blame"}},
			},
			reach: noField, build: buildExpression,
		},
	}
}

func groupParameter() Parameter {
	return Parameter{Name: "group", Doc: "the fields in which rows are the same that are compared; else the rest of the key"}
}

func targetParameter() Parameter {
	return Parameter{Name: "against", Doc: "target: the rows of the target that the run does not write anew count as well"}
}

func textKind(name, doc, example string, build func(*compiler, *spec, *rule), parameters ...Parameter) *kind {
	return &kind{
		Kind: Kind{Name: name, Doc: doc, Example: example, Parameters: parameters},
		fits: isText, needs: "text", build: build,
	}
}

func codeKind(name, doc string, list schemas.CodeList) *kind {
	return textKind(name, doc, name+": "+name, func(c *compiler, _ *spec, r *rule) { buildCode(c, r, doc, list) })
}

func anyType(schemas.Type) bool { return true }

func isText(t schemas.Type) bool {
	switch t {
	case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.LocalisedText, schemas.List, schemas.JSON:
		return true
	case schemas.Integer, schemas.DecimalType, schemas.Money, schemas.Quantity, schemas.Boolean, schemas.Date, schemas.Timestamp:
	}
	return false
}

func isNumber(t schemas.Type) bool {
	return t == schemas.Integer || isDecimal(t)
}

func isDecimal(t schemas.Type) bool {
	return t == schemas.DecimalType || t == schemas.Money || t == schemas.Quantity
}

func isMoment(t schemas.Type) bool { return t == schemas.Date || t == schemas.Timestamp }

func isOrdered(t schemas.Type) bool { return isNumber(t) || isMoment(t) }

// names returns the names of all kinds.
func names(kinds []*kind) []string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = k.Name
	}
	return list
}

// parameterNames returns what may stand beside the rule's name.
func (k *kind) parameterNames() []string {
	list := make([]string, 0, len(k.Parameters)+2)
	for _, p := range k.Parameters {
		list = append(list, p.Name)
	}
	return append(list, "severity", "message")
}

// hasParameter reports whether name may stand beside the rule's name.
func (k *kind) hasParameter(name string) bool {
	return slices.Contains(k.parameterNames(), name)
}

// listed joins the parts of a sentence: a, b and c.
func listed(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}
