package quality

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"crossdock/schemas"
)

// maxListed bounds how many values a message lists.
const maxListed = 12

// A textTest says what is wrong with a text, as a clause, or "" when nothing is.
type textTest func(text string) string

// textJudge tests the texts of one column. An empty text is no more than a null.
type textJudge struct{ test textTest }

func (j textJudge) judge(v *view) {
	a := v.texts(0)
	last, message := "", "" // the stock of a product in five warehouses names it five times in a row
	for _, row := range v.rows {
		if a.IsNull(int(row)) {
			continue
		}
		text := a.Value(int(row))
		if text != last {
			last, message = text, j.test(text)
		}
		if text != "" && message != "" {
			v.blame(row, message)
		}
	}
}

// tests sets what a rule tests the texts of its column with: of a list every
// item. The test is made anew for each run, and may keep state.
func tests(c *compiler, r *rule, start func() textTest) {
	list := c.rules.columns[r.columns[0]].Field.Type == schemas.List
	r.start = func() judge {
		test := start()
		if list {
			test = eachItem(test)
		}
		return textJudge{test}
	}
}

// stateless makes a test that runs can share.
func stateless(test textTest) func() textTest {
	return func() textTest { return test }
}

// eachItem tests every item of a JSON array of strings, and names the first
// that is at fault.
func eachItem(test textTest) textTest {
	return func(list string) string {
		number, rest, plain := 0, list, strings.HasPrefix(list, "[")
		for plain {
			var item string
			if item, rest, plain = nextItem(rest); !plain {
				break
			}
			if rest == "" && item == "" {
				return ""
			}
			number++
			if message := test(item); message != "" {
				return inItem(number, item, message)
			}
			if rest == "]" {
				return ""
			}
		}
		return eachDecoded(list, test)
	}
}

// nextItem cuts the next item from a JSON array that is written as most are:
// without blanks and escapes. The rest begins with the comma or bracket that
// follows; an empty array has no item and no rest.
func nextItem(list string) (item, rest string, plain bool) {
	if list == "[]" {
		return "", "", true
	}
	if len(list) < 4 || list[0] != '[' && list[0] != ',' || list[1] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(list[2:], '"')
	if end < 0 {
		return "", "", false
	}
	item, rest = list[2:2+end], list[3+end:]
	plain = strings.IndexByte(item, '\\') < 0 && (rest == "]" || rest != "" && rest[0] == ',')
	return item, rest, plain
}

func eachDecoded(list string, test textTest) string {
	var items []string
	if err := json.Unmarshal([]byte(list), &items); err != nil {
		return "is not a list of texts"
	}
	for i, item := range items {
		if message := test(item); message != "" {
			return inItem(i+1, item, message)
		}
	}
	return ""
}

func inItem(number int, item, message string) string {
	return fmt.Sprintf("has an item %d, %s, that %s", number, schemas.QuoteShort(item), message)
}

// remembering makes a test that looks at each distinct text of a run once, as
// long as they are few. Columns of codes have twenty values in a million rows.
func remembering(test textTest) textTest {
	const most = 10_000 // distinct texts, so that memory stays bounded
	seen := make(map[string]string)
	return func(text string) string {
		message, ok := seen[text]
		if !ok {
			if len(seen) >= most {
				clear(seen)
			}
			message = test(text)
			seen[strings.Clone(text)] = message // else it would keep its whole batch alive
		}
		return message
	}
}

func buildCode(c *compiler, r *rule, what string, list schemas.CodeList) {
	tests(c, r, func() textTest {
		return remembering(func(code string) string {
			if schemas.KnownCode(list, code) {
				return ""
			}
			return "is not " + what + schemas.CodeHint(list, code)
		})
	})
}

func buildLength(c *compiler, s *spec, r *rule) {
	const unbounded = 1 << 40
	least, most := c.whole(s, "min", 0), c.whole(s, "max", unbounded)
	switch {
	case s.values["min"] == nil && s.values["max"] == nil:
		c.fault(s, "", "length needs min, max or both, as in %s", s.kind.Example)
		return
	case least > most:
		c.fault(s, "min", "%d is more than max, %d", least, most)
		return
	}
	tests(c, r, stateless(func(text string) string {
		// A character takes one to four bytes: most texts need no counting.
		if len(text) <= most && len(text) >= least*utf8.UTFMax {
			return ""
		}
		switch n := utf8.RuneCountInString(text); {
		case n > most:
			return fmt.Sprintf("has %s, more than %d", characters(n), most)
		case n < least:
			return fmt.Sprintf("has %s, fewer than %d", characters(n), least)
		}
		return ""
	}))
}

func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return fmt.Sprintf("%d characters", n)
}

func buildPattern(c *compiler, s *spec, r *rule) {
	source, ok := s.values["regex"].(string)
	if !ok || source == "" {
		c.fault(s, "regex", "must be a regular expression in quotes, not %s", shown(s.values["regex"]))
		return
	}
	// Compiled alone first, so that a bracket too many cannot pair up with ours.
	if _, err := regexp.Compile(source); err != nil {
		c.fault(s, "regex", "is no regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	whole := regexp.MustCompile(`\A(?:` + source + `)\z`)
	message := "does not match " + source
	tests(c, r, stateless(func(text string) string {
		if whole.MatchString(text) {
			return ""
		}
		return message
	}))
}

func buildOneOf(c *compiler, s *spec, r *rule) {
	values, ok := texts(s.values["values"])
	if !ok || len(values) == 0 {
		c.fault(s, "values", "must be a list, as in %s", s.kind.Example)
		return
	}
	message := "is not one of " + strings.Join(values, ", ")
	if len(values) > maxListed {
		message = fmt.Sprintf("is not one of %s and %d more", strings.Join(values[:maxListed], ", "), len(values)-maxListed)
	}
	if t := c.rules.columns[r.columns[0]].Field.Type; isOrdered(t) {
		c.buildOrderedOneOf(s, r, t, values, message)
		return
	}
	tests(c, r, func() textTest {
		test := remembering(func(text string) string {
			if slices.Contains(values, text) {
				return ""
			}
			return message + schemas.DidYouMean(text, values)
		})
		if len(values) > 8 {
			return test
		}
		// Few values are compared faster than looked up.
		return func(text string) string {
			if slices.Contains(values, text) {
				return ""
			}
			return test(text)
		}
	})
}
