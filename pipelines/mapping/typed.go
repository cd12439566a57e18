package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"crossdock/connectors"
	"crossdock/pipelines/expression"
	"crossdock/schemas"
)

// A typer reads a text, which is not empty, as a value of the field's type.
// One of its functions is set, or none where the text is the value. The kind
// tells how the source typed the cell: what it holds as a number or a date is
// not written as its texts are. Errors are clauses.
type typer struct {
	number func(text string, kind connectors.Kind) (int64, error)
	text   func(text string, kind connectors.Kind) (string, error)
}

func (f *form) typer() typer {
	switch f.target.Field.Type {
	case schemas.Integer:
		return typer{number: f.integer}
	case schemas.DecimalType, schemas.Money, schemas.Quantity:
		return typer{number: f.decimal}
	case schemas.Boolean:
		return typer{number: f.booleans()}
	case schemas.Date:
		return typer{number: f.date}
	case schemas.Timestamp:
		return typer{number: f.timestamp}
	case schemas.List:
		return typer{text: f.list}
	case schemas.JSON:
		if !f.target.Field.Open { // members of an open field are text
			return typer{text: canonicalJSON}
		}
	case schemas.Text, schemas.Identifier, schemas.Enum, schemas.Reference, schemas.LocalisedText:
	}
	return typer{}
}

func (f *form) decimal(text string, kind connectors.Kind) (int64, error) {
	if kind == connectors.NumberCell {
		d, err := schemas.ParseDecimal(text)
		if errors.Is(err, schemas.ErrNotDecimal) {
			d, err = parseExponent(text)
		}
		return int64(d), err
	}
	if f.numbers.IsPlain() {
		// Most columns are written as programs write numbers.
		if d, err := schemas.ParseDecimal(text); err == nil {
			return int64(d), nil
		}
	}
	d, err := f.numbers.Parse(text)
	return int64(d), err
}

// parseExponent reads a number such as 1.5E-3, as numeric cells may hold it.
func parseExponent(text string) (schemas.Decimal, error) {
	const longest = 400 // the digits of the largest float64, and some
	if len(text) > longest {
		return 0, schemas.ErrTooLarge
	}
	d, _, err := apd.NewFromString(text)
	if err != nil || d.Form != apd.Finite {
		return 0, schemas.ErrNotDecimal
	}
	// Bounded before it is written out, which would take as many digits.
	const most = 30
	if d.Exponent > most {
		return 0, schemas.ErrTooLarge
	}
	if d.Exponent < -most {
		return 0, schemas.ErrTooFine
	}
	return schemas.ParseDecimal(d.Text('f'))
}

func (f *form) integer(text string, kind connectors.Kind) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	d, err := f.decimal(text, kind)
	if err != nil {
		return 0, fmt.Errorf("is not a whole number: it %w", err)
	}
	if !schemas.Decimal(d).IsInteger() {
		return 0, errors.New("is not a whole number")
	}
	return d / int64(decimalOne), nil
}

// decimalOne is 1 as a decimal.
const decimalOne schemas.Decimal = 1_000_000

// booleans returns a function that knows the words of the form, or the usual
// ones for cells that hold a truth.
func (f *form) booleans() func(string, connectors.Kind) (int64, error) {
	words, usual := map[string]int64{}, map[string]int64{}
	for _, list := range []struct {
		words []string
		to    map[string]int64
		value int64
	}{{defaultNo(), usual, 0}, {defaultYes(), usual, 1}, {f.no, words, 0}, {f.yes, words, 1}} {
		for _, word := range list.words {
			list.to[strings.ToLower(word)] = list.value
		}
	}
	return func(text string, kind connectors.Kind) (int64, error) {
		known := words
		if kind == connectors.BooleanCell {
			known = usual
		}
		if v, ok := known[text]; ok {
			return v, nil
		}
		if v, ok := known[strings.ToLower(text)]; ok {
			return v, nil
		}
		return 0, fmt.Errorf("is neither yes (%s) nor no (%s)", strings.Join(f.yes, ", "), strings.Join(f.no, ", "))
	}
}

func (f *form) date(text string, kind connectors.Kind) (int64, error) {
	t, err := f.parseDate(text, kind, expression.DateFormat.Day)
	const daySeconds = 24 * 60 * 60
	return t.Unix() / daySeconds, err
}

func (f *form) timestamp(text string, kind connectors.Kind) (int64, error) {
	t, err := f.parseDate(text, kind, expression.DateFormat.Time)
	return t.UnixMicro(), err
}

func (f *form) parseDate(text string, kind connectors.Kind,
	parse func(expression.DateFormat, string, *time.Location) (time.Time, error),
) (time.Time, error) {
	if kind == connectors.DateCell || len(f.dates) == 0 {
		zone := f.zone
		if f.from.how == fromExpression && kind == connectors.DateCell {
			zone = time.UTC // in which expressions count
		}
		return parse(expression.DateFormat{}, text, zone)
	}
	var first error
	for _, format := range f.dates {
		t, err := parse(format, text, f.zone)
		if err == nil {
			return t, nil
		}
		if first == nil {
			first = err
		}
	}
	if len(f.dates) > 1 {
		names := make([]string, len(f.dates))
		for i, format := range f.dates {
			names[i] = format.String()
		}
		first = fmt.Errorf("is not a date written as %s", strings.Join(names, " or "))
	}
	return time.Time{}, first
}

// list returns a JSON array of the items of a list, and "" where it has none.
func (f *form) list(text string, _ connectors.Kind) (string, error) {
	items := strings.Split(text, f.separator)
	if text[0] == '[' {
		if array, err := jsonItems(text); err == nil {
			items = array
		} else if json.Valid([]byte(text)) {
			return "", err
		}
	}
	kept := items[:0]
	for _, item := range items {
		if item = trimmed(item); item != "" {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		return "", nil
	}
	return marshal(kept)
}

// jsonItems returns the items of a JSON array of texts, numbers and truths.
func jsonItems(text string) ([]string, error) {
	var raw []any
	if err := decode(text, &raw); err != nil {
		return nil, err
	}
	items := make([]string, 0, len(raw))
	for _, item := range raw {
		switch item := item.(type) {
		case nil:
		case []any, map[string]any:
			return nil, errors.New("is a list whose items are not texts")
		default:
			items = append(items, fmt.Sprint(item))
		}
	}
	return items, nil
}

// canonicalJSON writes JSON without blanks and with sorted names, so that what
// means the same is the same text.
func canonicalJSON(text string, _ connectors.Kind) (string, error) {
	var v any
	if err := decode(text, &v); err != nil {
		return "", err
	}
	return marshal(v)
}

// decode reads one JSON value, its numbers as they are written.
func decode(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("is not JSON: there is more behind its end")
	}
	return nil
}

func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
