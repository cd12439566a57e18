package quality

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A compiler turns specs into rules and collects what is wrong with them.
type compiler struct {
	rules *Rules
	kinds []*kind
	errs  connectors.SettingErrors
}

// A spec is one rule as it was declared.
type spec struct {
	path     string // rules[3]
	builtIn  bool   // declared with the entity: silent over fields that are not mapped
	kind     *kind
	values   map[string]any // the rule's name, its parameters, severity and message
	severity schemas.Severity
	message  string
}

// fault notes what is wrong with the spec, or with one of its values.
func (c *compiler) fault(s *spec, key, format string, args ...any) {
	path := s.path
	if key != "" {
		path += "." + key
	}
	c.errs = append(c.errs, &connectors.SettingError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// add compiles one spec. Where it is at fault, nothing is added.
func (c *compiler) add(s *spec, values any) {
	before := len(c.errs)
	if !c.parse(s, values) {
		return
	}
	for _, columns := range c.groups(s) {
		r := &rule{Description: Description{
			Name: s.kind.Name, Severity: s.severity, Message: s.message, Doc: s.kind.Doc,
			BuiltIn: s.builtIn, Parameters: s.shownParameters(),
		}}
		c.concern(r, columns)
		s.kind.build(c, s, r)
		if len(c.errs) > before {
			return // further columns would only repeat it
		}
		if r.judges() {
			c.rules.rules = append(c.rules.rules, r)
		}
	}
}

// concern notes the columns that a rule looks at. One column, or one field in
// all its languages, is to blame; of several fields none is.
func (c *compiler) concern(r *rule, columns []int) {
	r.columns = columns
	r.deletions = len(columns) > 0
	r.Fields = make([]string, len(columns))
	for i, at := range columns {
		column := c.rules.columns[at]
		r.Fields[i] = column.Name
		if !column.Field.Key && column.Field.Name != schemas.DeletedField {
			r.deletions = false
		}
		switch {
		case i == 0:
			r.Field = column.Name
		case column.Field == c.rules.columns[columns[0]].Field:
			r.Field = column.Field.Name
		default:
			r.Field = ""
		}
	}
}

// parse reads what all specs have in common.
func (c *compiler) parse(s *spec, values any) bool {
	m, ok := values.(map[string]any)
	if !ok {
		c.fault(s, "", "must be a rule and its field, as in { required: name }, not %s", shown(values))
		return false
	}
	s.values = m
	if !c.findKind(s) {
		return false
	}
	ok = c.parseSeverity(s)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key != s.kind.Name && !s.kind.hasParameter(key) {
			c.fault(s, key, "unknown parameter of %s%s (there are %s)", s.kind.Name,
				schemas.DidYouMean(key, s.kind.parameterNames()), listed(s.kind.parameterNames()))
			ok = false
		}
	}
	for _, p := range s.kind.Parameters {
		if p.Required && m[p.Name] == nil {
			c.fault(s, "", "%s needs %s: %s, as in %s", s.kind.Name, p.Name, p.Doc, s.kind.Example)
			ok = false
		}
	}
	return ok
}

// findKind finds the one key that is the name of a rule.
func (c *compiler) findKind(s *spec) bool {
	var found []string
	for _, k := range c.kinds {
		if _, there := s.values[k.Name]; there {
			s.kind = k
			found = append(found, k.Name)
		}
	}
	if len(found) > 1 {
		c.fault(s, "", "holds the rules %s: write each as an item of its own", listed(found))
		return false
	}
	if len(found) == 1 {
		return true
	}
	known := names(c.kinds)
	// Of several keys the one that is nearest to a rule was meant to be it.
	unknown, hint := "", ""
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		near := schemas.DidYouMean(key, known)
		if !c.isParameter(key) && (unknown == "" || hint == "" && near != "") {
			unknown, hint = key, near
		}
	}
	if unknown == "" {
		c.fault(s, "", "names no rule (there are %s)", listed(known))
		return false
	}
	if hint == "" {
		hint = " (there are " + listed(known) + ")"
	}
	c.fault(s, "", "unknown rule %s%s", unknown, hint)
	return false
}

// isParameter reports whether a key stands beside the name of some rule.
func (c *compiler) isParameter(key string) bool {
	return slices.ContainsFunc(c.kinds, func(k *kind) bool { return k.hasParameter(key) })
}

func (c *compiler) parseSeverity(s *spec) bool {
	severities := []string{string(schemas.Reject), string(schemas.Warn)}
	s.severity = schemas.Reject
	ok := true
	if value, there := s.values["severity"]; there {
		text, isString := value.(string)
		if !isString || !slices.Contains(severities, text) {
			c.fault(s, "severity", "is %s, but must be reject or warn%s", shown(value), schemas.DidYouMean(text, severities))
			ok = false
		}
		s.severity = schemas.Severity(text)
	}
	if value, there := s.values["message"]; there {
		s.message, _ = value.(string)
		if strings.TrimSpace(s.message) == "" {
			c.fault(s, "message", "must be text that says what is wrong, not %s", shown(value))
			ok = false
		}
	}
	return ok
}

// groups returns the columns of each rule that the spec makes.
func (c *compiler) groups(s *spec) [][]int {
	if s.kind.reach == noField {
		return [][]int{nil}
	}
	fields, ok := texts(s.values[s.kind.Name])
	if !ok || len(fields) == 0 {
		c.fault(s, s.kind.Name, "must name a field or a list of fields, as in %s", s.kind.Example)
		return nil
	}
	var groups [][]int
	var together []int
	for i, field := range fields {
		key := s.kind.Name
		if _, isList := s.values[key].([]any); isList {
			key = fmt.Sprintf("%s[%d]", key, i)
		}
		columns := c.resolve(s, key, field)
		if columns == nil {
			if s.kind.reach == allTogether {
				return nil
			}
			continue
		}
		for _, at := range columns {
			groups = append(groups, []int{at})
			if slices.Contains(together, at) {
				c.fault(s, key, "%s is listed twice", field)
				return nil
			}
			together = append(together, at)
		}
		if s.kind.reach == eachField {
			groups = append(groups[:len(groups)-len(columns)], columns)
		}
	}
	if s.kind.reach == allTogether {
		return [][]int{together}
	}
	return groups
}

// resolve returns the mapped columns that a field's name stands for, or nil
// when there is none that the rule can look at.
func (c *compiler) resolve(s *spec, key, name string) []int {
	e := c.rules.entity
	f := e.Field(name)
	manifold := f != nil && (f.Type == schemas.LocalisedText || f.Open) && s.kind.reach != allTogether
	if !manifold {
		column, err := e.Column(name)
		if err != nil {
			c.fault(s, key, "%s", err)
			return nil
		}
		f = column.Field
	}
	if !s.kind.fits(f.Type) {
		c.fault(s, key, "%s is for %s, but %s is %s", s.kind.Name, s.kind.needs, name, typeName(f.Type))
		return nil
	}
	var columns []int
	for i, column := range c.rules.columns {
		if column.Name == name || manifold && column.Field.Name == f.Name {
			columns = append(columns, i)
		}
	}
	if columns == nil && !s.builtIn {
		c.fault(s, key, "%s is not mapped, so that the rule has nothing to look at", name)
	}
	return columns
}

func typeName(t schemas.Type) string {
	switch t {
	case schemas.Text, schemas.LocalisedText, schemas.JSON, schemas.Money:
		return string(t)
	case schemas.Boolean:
		return "yes or no"
	case schemas.Identifier, schemas.Integer, schemas.Enum:
		return "an " + string(t)
	case schemas.DecimalType, schemas.Quantity, schemas.Date, schemas.Timestamp, schemas.Reference, schemas.List:
	}
	return "a " + string(t)
}

// shownParameters returns the parameters as a person would write them.
func (s *spec) shownParameters() map[string]string {
	var m map[string]string
	for _, p := range s.kind.Parameters {
		value, there := s.values[p.Name]
		if !there {
			continue
		}
		if m == nil {
			m = make(map[string]string)
		}
		list, _ := texts(value)
		m[p.Name] = strings.Join(list, ", ")
	}
	return m
}

// whole reads a parameter that is a whole number, not negative.
func (c *compiler) whole(s *spec, key string, otherwise int) int {
	value, there := s.values[key]
	if !there {
		return otherwise
	}
	text, ok := scalar(value)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 0 {
		c.fault(s, key, "must be a whole number, 0 or more, not %s", shown(value))
		return otherwise
	}
	return n
}

// texts reads a scalar or a list of them as text.
func texts(value any) ([]string, bool) {
	items, isList := value.([]any)
	if !isList {
		items = []any{value}
	}
	list := make([]string, len(items))
	for i, item := range items {
		var ok bool
		if list[i], ok = scalar(item); !ok {
			return nil, false
		}
	}
	return list, true
}

// scalar returns a single value as it was written, as far as decoding has
// left that to be known: 1.50 may have become 1.5, but never 1.5000000001.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int, int64, uint64:
		return fmt.Sprint(v), true
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// shown quotes a value of a spec for a message.
func shown(value any) string {
	if value == nil {
		return "nothing"
	}
	text, isString := value.(string)
	if isString {
		return schemas.QuoteShort(text)
	}
	return cmp.Or(strings.Trim(schemas.QuoteShort(fmt.Sprint(value)), `"`), "nothing")
}
