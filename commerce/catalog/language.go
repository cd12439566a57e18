package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"crossdock/commerce"
)

// defaultLanguage is shown where a text lacks the reader's.
const defaultLanguage = "en"

// chain returns the languages to try, the best first: fr-CA, fr, en.
func chain(tag string) ([]string, error) {
	if tag != "" && !regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`).MatchString(tag) {
		return nil, commerce.Errorf(commerce.Invalid, "%q is not a language tag such as de or fr-CA", tag).At("query.lang")
	}
	var tags []string
	for tag != "" {
		tags = append(tags, tag)
		tag = tag[:max(0, strings.LastIndexByte(tag, '-'))]
	}
	return append(tags, defaultLanguage), nil
}

// texts is a localised field: text by language.
type texts map[string]string

// Scan reads the column of a database that holds a localised or open field.
func (t *texts) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		*t = nil
		return nil
	}
	if err := json.Unmarshal([]byte(s), (*map[string]string)(t)); err != nil {
		return fmt.Errorf("texts %s: %w", s, err)
	}
	return nil
}

// in returns the text in the first language of the chain that has one, else in
// the first there is, and that language.
func (t texts) in(chain []string) (text, lang string) {
	for _, want := range chain {
		for have, text := range t {
			if strings.EqualFold(have, want) {
				return text, have
			}
		}
	}
	for _, lang := range slices.Sorted(maps.Keys(t)) {
		return t[lang], lang
	}
	return "", ""
}
