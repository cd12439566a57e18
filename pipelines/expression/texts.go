package expression

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"crossdock/schemas"
)

// textOf writes a value as people do, and as it is read again.
func textOf(v value, k kind) string {
	switch k {
	case nothing:
	case text:
		return v.s
	case integer:
		return strconv.FormatInt(v.n, 10)
	case decimal:
		return schemas.Decimal(v.n).String()
	case boolean:
		return strconv.FormatBool(v.n != 0)
	case moment:
		t := time.UnixMicro(v.n).UTC()
		if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0 {
			return t.Format(time.DateOnly)
		}
		return t.Format(time.RFC3339Nano)
	case list:
		// Texts can always be written as JSON.
		b, _ := json.Marshal(v.list)
		return string(b)
	}
	return ""
}

func makeText(_ *compiler, _ ast.Node, args []operand) (native, error) {
	k := args[0].kind
	return func(args []value) (value, error) { return value{s: textOf(args[0], k)}, nil }, nil
}

func makeLength(c *compiler, at ast.Node, args []operand) (native, error) {
	switch args[0].kind {
	case text:
		return func(args []value) (value, error) {
			return value{n: int64(utf8.RuneCountInString(args[0].s))}, nil
		}, nil
	case list:
		return func(args []value) (value, error) { return value{n: int64(len(args[0].list))}, nil }, nil
	case nothing, integer, decimal, boolean, moment:
	}
	return nil, c.errorf(at, "length needs a text or a list, and %s", c.is(args[0]))
}

func upper(args []value) (value, error) { return value{s: strings.ToUpper(args[0].s)}, nil }
func lower(args []value) (value, error) { return value{s: strings.ToLower(args[0].s)}, nil }
func trim(args []value) (value, error)  { return value{s: strings.TrimSpace(args[0].s)}, nil }

func replace(args []value) (value, error) {
	t, from, to := args[0].s, args[1].s, args[2].s
	// Counted before it is made, since a text can grow by the product of two.
	if grown := len(to) - len(from); grown > 0 && len(t)+strings.Count(t, from)*grown > maxText {
		return value{}, errTooLong()
	}
	return value{s: strings.ReplaceAll(t, from, to)}, nil
}

func split(args []value) (value, error) {
	return value{list: strings.Split(args[0].s, args[1].s)}, nil
}

func join(args []value) (value, error) {
	size := len(args[0].list) * len(args[1].s)
	for _, item := range args[0].list {
		size += len(item)
	}
	if size > maxText {
		return value{}, errTooLong()
	}
	return value{s: strings.Join(args[0].list, args[1].s)}, nil
}

func left(args []value) (value, error) {
	return value{s: args[0].s[:offsetOf(args[0].s, args[1].n)]}, nil
}

func right(args []value) (value, error) {
	t := args[0].s
	skip := int64(utf8.RuneCountInString(t)) - max(args[1].n, 0)
	return value{s: t[offsetOf(t, skip):]}, nil
}

func mid(args []value) (value, error) {
	t := args[0].s[offsetOf(args[0].s, max(args[1].n, 1)-1):]
	return value{s: t[:offsetOf(t, args[2].n)]}, nil
}

// offsetOf returns how many bytes the first n characters of t take.
func offsetOf(t string, n int64) int {
	if n <= 0 {
		return 0
	}
	for i := range t {
		if n == 0 {
			return i
		}
		n--
	}
	return len(t)
}

// pad puts a filling in front until the text has n characters.
func pad(args []value) (value, error) {
	t, n, filling := args[0].s, args[1].n, args[2].s
	missing := n - int64(utf8.RuneCountInString(t))
	if missing <= 0 || filling == "" {
		return value{s: t}, nil
	}
	if missing > maxText/utf8.UTFMax || int64(len(filling))*missing > maxText {
		return value{}, errTooLong()
	}
	front := strings.Repeat(filling, int(missing))
	return value{s: front[:offsetOf(front, missing)] + t}, nil
}

func contains(args []value) (value, error) {
	return truth(strings.Contains(args[0].s, args[1].s)), nil
}

func startsWith(args []value) (value, error) {
	return truth(strings.HasPrefix(args[0].s, args[1].s)), nil
}

func endsWith(args []value) (value, error) {
	return truth(strings.HasSuffix(args[0].s, args[1].s)), nil
}

func makeMatches(c *compiler, _ ast.Node, args []operand) (native, error) {
	re, err := c.pattern(args[1])
	if err != nil {
		return nil, err
	}
	return func(args []value) (value, error) { return truth(re.MatchString(args[0].s)), nil }, nil
}

func makeExtract(c *compiler, _ ast.Node, args []operand) (native, error) {
	re, err := c.pattern(args[1])
	if err != nil {
		return nil, err
	}
	group := min(re.NumSubexp(), 1)
	return func(args []value) (value, error) {
		at := re.FindStringSubmatchIndex(args[0].s)
		if at == nil || at[2*group] < 0 {
			return value{}, nil
		}
		return value{s: args[0].s[at[2*group]:at[2*group+1]]}, nil
	}, nil
}

func digits(args []value) (value, error) {
	return value{s: strings.Map(func(r rune) rune {
		if notDigit(r) {
			return -1
		}
		return r
	}, args[0].s)}, nil
}
