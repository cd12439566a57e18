package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// A how is the way in which a reference names its value.
type how uint8

const (
	fromColumn how = iota
	fromConstant
	fromExpression
	fromLookup
)

// A reference is a source of text: a column, a constant, an expression or a
// cell of a lookup table.
type reference struct {
	how    how
	path   string   // in the pipeline
	text   string   // header, constant, expression or table
	others []string // further headers: the first column that holds something counts
	column string   // of a lookup: the one whose cell is wanted
	by     []*reference
}

// A form is the right-hand side of one assignment.
type form struct {
	target schemas.Column
	path   string
	from   *reference

	fallback  *string // default
	values    map[string]string
	otherwise otherwise
	instead   string // of otherwise: { value: text }
	numbers   expression.NumberFormat
	dates     []expression.DateFormat
	zone      *time.Location
	yes, no   []string
	separator string
	keep      bool // an empty cell keeps what the target has
	emptySaid bool // the form says what an empty cell does
	optional  bool // the source may lack the column
	raw       bool // blanks around text stay
	required  bool // of a lookup: its row must be there
}

// An otherwise says what becomes of a value that a value table lacks.
type otherwise uint8

const (
	rejectOther otherwise = iota
	keepOther
	nullOther
	replaceOther
)

// parseForm reads the right-hand side of an assignment, or returns nil.
func parseForm(target schemas.Column, path string, from any, tables []string, faults *faults) *form {
	f := &form{target: target, path: path, zone: time.UTC, separator: "|", yes: defaultYes(), no: defaultNo()}
	before := len(*faults)
	switch from := from.(type) {
	case string:
		if strings.TrimSpace(from) == "" {
			faults.add(path, "names no column")
		}
		f.from = &reference{how: fromColumn, path: path, text: from}
	case map[string]any:
		f.from = f.parseReference(path, from, tables, faults)
		f.parseSettings(from, faults)
	case nil:
		faults.add(path, "is empty: write the header of a column, or { constant: text }")
	case []any:
		f.from = f.parseHeaders(path, from, faults)
	default:
		faults.add(path, "is %v: write a header that is a number in quotes, and a fixed value as { constant: %v }", from, from)
	}
	if len(*faults) > before {
		return nil
	}
	return f
}

func formNames() []string { return []string{"column", "constant", "expr", "lookup"} }

// parseReference reads where a value comes from.
func (f *form) parseReference(path string, m map[string]any, tables []string, faults *faults) *reference {
	var given []string
	for _, name := range formNames() {
		if _, ok := m[name]; ok && (name != "column" || m["lookup"] == nil) {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		found := "none"
		if len(given) > 1 {
			found = strings.Join(given, " and ")
		}
		faults.add(path, "needs one of column, constant, expr and lookup, and has %s", found)
		return nil
	}
	how := how(slices.Index(formNames(), given[0]))
	r := &reference{how: how, path: path + "." + given[0]}
	value := m[given[0]]
	if headers, ok := value.([]any); ok && how == fromColumn && m["lookup"] == nil {
		return f.parseHeaders(r.path, headers, faults)
	}
	text, ok := value.(string)
	switch {
	case how == fromConstant:
		if text, ok = f.scalar(value, r.path, faults); !ok {
			return nil
		}
	case !ok:
		faults.add(r.path, "is %v, but must be text; put it in quotes", value)
		return nil
	case strings.TrimSpace(text) == "":
		faults.add(r.path, "is empty")
		return nil
	}
	r.text = text
	switch how {
	case fromExpression:
		if err := expression.Check(text); err != nil {
			faults.add(r.path, "%s", err)
		}
	case fromLookup:
		f.parseLookup(path, r, m, tables, faults)
	case fromColumn, fromConstant:
	}
	return r
}

func (f *form) parseLookup(path string, r *reference, m map[string]any, tables []string, faults *faults) {
	if !slices.Contains(tables, r.text) {
		faults.add(r.path, "there is no lookup table %s%s", r.text, schemas.DidYouMean(r.text, tables))
	}
	column, ok := m["column"].(string)
	if !ok {
		faults.add(path+".column", "must name the column of %s whose cell is wanted", r.text)
	}
	r.column = column
	by, ok := m["by"].([]any)
	if !ok && m["by"] != nil {
		by, ok = []any{m["by"]}, true
	}
	if !ok || len(by) == 0 {
		faults.add(path+".by", "must list the values that find a row, as in by: [Artikelnummer, { constant: en }]")
		return
	}
	for i, key := range by {
		keyPath := path + ".by"
		if len(by) > 1 {
			keyPath += "[" + strconv.Itoa(i) + "]"
		}
		switch key := key.(type) {
		case string:
			r.by = append(r.by, &reference{how: fromColumn, path: keyPath, text: key})
		case map[string]any:
			inner := f.parseReference(keyPath, key, tables, faults)
			if inner != nil && (len(key) > 1 || inner.how == fromLookup) {
				faults.add(keyPath, "must be a header, { constant: text } or { expr: '...' } alone; lookups nest with the function lookup")
			}
			r.by = append(r.by, inner)
		default:
			faults.add(keyPath, "is %v, but must be a header in quotes, { constant: text } or { expr: '...' }", key)
		}
	}
}

// scalar returns a fixed value as text. What YAML has read as a number is
// refused where the text would matter, since 007 is no longer 007 then.
func (f *form) scalar(value any, path string, faults *faults) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case int, int64, uint64:
		if t := f.target.Field.Type; t == schemas.Identifier || t == schemas.Reference {
			faults.add(path, "is the number %v, and %s is of type %s: put it in quotes", value, f.target.Name, t)
			return "", false
		}
		return fmt.Sprint(value), true
	case float64:
		if !f.isNumber() {
			faults.add(path, "is the number %v: put it in quotes", value)
			return "", false
		}
		return strconv.FormatFloat(value, 'f', -1, 64), true
	}
	faults.add(path, "must be text, not %v", value)
	return "", false
}

func (f *form) isNumber() bool {
	t := f.target.Field.Type
	return t == schemas.Integer || t == schemas.DecimalType || t == schemas.Money || t == schemas.Quantity
}

// parseSettings reads what stands beside a reference, in the order of names so
// that messages come in the same order every time.
func (f *form) parseSettings(m map[string]any, faults *faults) {
	known := append(formNames(), "by", "required", "optional", "default", "values", "otherwise", "decimal", "date", "zone", "true", "false", "split", "empty", "trim")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		path := f.path + "." + name
		switch {
		case !slices.Contains(known, name):
			faults.add(path, "unknown setting%s (there are %s)", schemas.DidYouMean(name, known), strings.Join(known, ", "))
		case !f.concerns(name, m):
			faults.add(path, "does not concern %s, which is of type %s", f.target.Name, f.target.Field.Type)
		default:
			f.parseSetting(name, m[name], path, faults)
		}
	}
	if m["otherwise"] != nil && m["values"] == nil {
		faults.add(f.path+".otherwise", "needs values beside it, the table that it is about")
	}
}

// concerns reports whether a setting means anything for the field.
func (f *form) concerns(name string, m map[string]any) bool {
	t := f.target.Field.Type
	switch name {
	case "decimal":
		return f.isNumber()
	case "date", "zone":
		return t == schemas.Date || t == schemas.Timestamp
	case "true", "false":
		return t == schemas.Boolean
	case "split":
		return t == schemas.List
	case "by", "required":
		return m["lookup"] != nil
	case "optional":
		return m["column"] != nil && m["lookup"] == nil || m["expr"] != nil
	}
	return true
}

func (f *form) parseSetting(name string, value any, path string, faults *faults) {
	text, isText := value.(string)
	var err error
	switch name {
	case "default":
		if s, ok := f.scalar(value, path, faults); ok {
			f.fallback = &s
		}
	case "values":
		f.parseValues(value, path, faults)
	case "otherwise":
		f.parseOtherwise(value, path, faults)
	case "decimal":
		if f.numbers, err = expression.NewNumberFormat(fmt.Sprint(value)); err != nil {
			faults.add(path, "%s", err)
		}
	case "date":
		f.parseDates(value, path, faults)
	case "zone":
		// Local would make the result depend on the machine.
		if f.zone, err = time.LoadLocation(text); err != nil || !isText || text == "" || text == "Local" {
			faults.add(path, "%s is no time zone; write it as Europe/Berlin or UTC", schemas.QuoteShort(fmt.Sprint(value)))
			f.zone = time.UTC
		}
	case "true":
		f.yes = f.parseWords(value, path, faults)
	case "false":
		f.no = f.parseWords(value, path, faults)
	case "split":
		if f.separator = text; text == "" {
			faults.add(path, "must be the text between two items, as in ','")
		}
	case "empty":
		f.emptySaid = true
		if f.keep = text == "keep"; !f.keep && text != "clear" {
			faults.add(path, "is %s, but must be clear or keep", schemas.QuoteShort(fmt.Sprint(value)))
		}
	case "trim":
		f.raw = !truth(value, path, faults)
	case "required":
		f.required = truth(value, path, faults)
	case "optional":
		f.optional = truth(value, path, faults)
	}
}

func truth(value any, path string, faults *faults) bool {
	yes, isBool := value.(bool)
	if !isBool {
		faults.add(path, "must be true or false, not %s", schemas.QuoteShort(fmt.Sprint(value)))
	}
	return yes
}

func (f *form) parseValues(value any, path string, faults *faults) {
	m, ok := value.(map[string]any)
	if !ok || len(m) == 0 {
		faults.add(path, "must be a table, as in { A: active, X: inactive }")
		return
	}
	f.values = make(map[string]string, len(m))
	for _, from := range slices.Sorted(maps.Keys(m)) {
		to := ""
		if m[from] != nil { // null clears, as the empty text does
			if to, ok = f.scalar(m[from], path+"."+from, faults); !ok {
				continue
			}
		}
		f.values[from] = to
	}
}

func (f *form) parseOtherwise(value any, path string, faults *faults) {
	m, isMap := value.(map[string]any)
	switch {
	case value == nil || value == "null":
		f.otherwise = nullOther
	case value == "reject":
		f.otherwise = rejectOther
	case value == "keep":
		f.otherwise = keepOther
	case isMap && len(m) == 1 && m["value"] != nil:
		f.otherwise = replaceOther
		f.instead, _ = f.scalar(m["value"], path+".value", faults)
	default:
		faults.add(path, "is %s, but must be reject, keep, null or { value: text }", schemas.QuoteShort(fmt.Sprint(value)))
	}
}

func (f *form) parseDates(value any, path string, faults *faults) {
	patterns, ok := value.([]any)
	if !ok {
		patterns = []any{value}
	}
	for _, pattern := range patterns {
		format, err := expression.NewDateFormat(fmt.Sprint(pattern))
		if err != nil {
			faults.add(path, "%s", err)
		}
		f.dates = append(f.dates, format)
	}
	if len(patterns) == 0 {
		faults.add(path, "is empty: write how dates are written, as in DD.MM.YYYY")
	}
}

func (f *form) parseWords(value any, path string, faults *faults) []string {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	var words []string
	for _, item := range items {
		word, ok := f.scalar(item, path, faults)
		if ok && word == "" {
			faults.add(path, "holds an empty word; what an empty cell means is said with default")
		}
		words = append(words, word)
	}
	return words
}

func defaultYes() []string { return []string{"true", "yes", "1", "y", "t"} }
func defaultNo() []string  { return []string{"false", "no", "0", "n", "f"} }
