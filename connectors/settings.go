package connectors

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"crossdock/schemas"
)

// A Type describes a kind of connector and makes sources of it.
type Type struct {
	Name     string
	Doc      string // one line
	Settings []Setting
	// New makes a source of settings as decoded from YAML or JSON. It returns
	// SettingErrors when one of them cannot work.
	New func(settings map[string]any, env Env) (Source, error)
}

// Env is what the code that opens a source hands to it.
type Env struct {
	Dir string // what relative paths are relative to
	// Names says what to call a file, by its path, where its name on disk is
	// not the one that the user knows, as with an upload.
	Names map[string]string
	// Only lists the paths of the files to read, where these are not all that
	// the settings name; nil: all.
	Only []string
}

// A Setting is one documented setting of a connector.
type Setting struct {
	Name, Doc, Default, Example string
	Kind                        string // text, whole number, yes or no, list of text, map of text, secret
	Values                      []string
	Required                    bool
}

// A Secret is a setting that is never shown.
type Secret string

// String masks the secret.
func (Secret) String() string { return "***" }

// A SettingError says what is wrong with one setting.
type SettingError struct {
	Path    string // the setting, its parts joined by dots: source.delimiter
	Message string // what is wrong and what would be right, as a clause
}

// Error returns path and message.
func (e *SettingError) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// SettingErrors are all that is wrong with a set of settings.
type SettingErrors []*SettingError

// Error returns them all, one to a line.
func (es SettingErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Define describes a kind of connector whose settings are the fields of C:
//
//	Path string `json:"path" doc:"File or glob." example:"in/*.csv" required:"true"`
//
// A field is a string, a Secret, an int, a bool, a []string or a
// map[string]string. The tags doc,
// default, example, enum (values separated by commas) and required make help
// and JSON Schema. Unknown settings and values of another type are refused. A
// method Validate() error on C may refuse combinations.
func Define[C any](name, doc string, open func(C, Env) (Source, error)) Type {
	settings := settingsOf(reflect.TypeFor[C]())
	return Type{
		Name: name, Doc: doc, Settings: settings,
		New: func(values map[string]any, env Env) (Source, error) {
			var cfg C
			if errs := decode(reflect.ValueOf(&cfg).Elem(), settings, values); len(errs) > 0 {
				return nil, errs
			}
			if v, ok := any(cfg).(interface{ Validate() error }); ok {
				if err := v.Validate(); err != nil {
					return nil, err
				}
			}
			return open(cfg, env)
		},
	}
}

func settingsOf(t reflect.Type) []Setting {
	settings := make([]Setting, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		s := Setting{
			Name: f.Tag.Get("json"), Doc: f.Tag.Get("doc"), Default: f.Tag.Get("default"),
			Example: f.Tag.Get("example"), Required: f.Tag.Get("required") == "true",
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			s.Values = strings.Split(enum, ",")
		}
		switch {
		case f.Type == reflect.TypeFor[Secret]():
			s.Kind = "secret"
		case f.Type.Kind() == reflect.String:
			s.Kind = "text"
		case f.Type.Kind() == reflect.Int:
			s.Kind = "whole number"
		case f.Type.Kind() == reflect.Bool:
			s.Kind = "yes or no"
		case f.Type == reflect.TypeFor[[]string]():
			s.Kind = "list of text"
		case f.Type == reflect.TypeFor[map[string]string]():
			s.Kind = "map of text"
		default:
			panic(fmt.Sprintf("connectors: setting %s.%s has type %s", t, f.Name, f.Type))
		}
		settings[i] = s
	}
	return settings
}

func decode(cfg reflect.Value, settings []Setting, values map[string]any) SettingErrors {
	var errs SettingErrors
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
		value, given := values[s.Name]
		if !given && s.Default != "" {
			value, given = s.Default, true
		}
		if !given || value == nil {
			if s.Required {
				errs = append(errs, &SettingError{s.Name, "is required: " + s.Doc})
			}
			continue
		}
		if message := assign(cfg.Field(i), s, value); message != "" {
			errs = append(errs, &SettingError{s.Name, message})
		}
	}
	for name := range values {
		if !slices.Contains(names, name) {
			errs = append(errs, &SettingError{name, "unknown setting" + schemas.DidYouMean(name, names)})
		}
	}
	slices.SortFunc(errs, func(a, b *SettingError) int { return strings.Compare(a.Path, b.Path) })
	return errs
}

// assign sets one field, or returns what is wrong with the value.
func assign(field reflect.Value, s Setting, value any) string {
	text, isText := value.(string)
	if number, ok := value.(int64); ok && s.Kind == "text" { // header: 3 means what it says; what is no plain number comes as text
		text, isText = strconv.FormatInt(number, 10), true
	}
	if isText && len(s.Values) > 0 && !slices.Contains(s.Values, text) {
		return fmt.Sprintf("is %s, but must be one of %s%s", schemas.QuoteShort(text),
			strings.Join(s.Values, ", "), schemas.DidYouMean(text, s.Values))
	}
	wrong := fmt.Sprintf("must be a %s, not %s", s.Kind, schemas.QuoteShort(fmt.Sprint(value)))
	switch s.Kind {
	case "text", "secret":
		if !isText {
			return wrong + "; put it in quotes"
		}
		field.SetString(text)
	case "whole number":
		n, err := strconv.Atoi(fmt.Sprint(value))
		if err != nil {
			return wrong
		}
		field.SetInt(int64(n))
	case "yes or no":
		b, err := strconv.ParseBool(fmt.Sprint(value))
		if err != nil {
			return wrong
		}
		field.SetBool(b)
	case "list of text":
		items, ok := value.([]any)
		if isText {
			items, ok = []any{text}, true
		}
		if !ok {
			return wrong
		}
		for _, item := range items {
			t, isText := item.(string)
			if !isText {
				return wrong + "; put each item in quotes"
			}
			field.Set(reflect.Append(field, reflect.ValueOf(t)))
		}
	case "map of text":
		return assignTexts(field, value, wrong)
	}
	return ""
}

// assignTexts sets a field that is a map, or returns what is wrong.
func assignTexts(field reflect.Value, value any, wrong string) string {
	items, ok := value.(map[string]any)
	if !ok {
		return wrong
	}
	texts := make(map[string]string, len(items))
	for name, item := range items {
		switch item := item.(type) {
		case string:
			texts[name] = item
		case int64:
			texts[name] = strconv.FormatInt(item, 10)
		default:
			return wrong + "; put each value in quotes"
		}
	}
	field.Set(reflect.ValueOf(texts))
	return ""
}
