package quality

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"crossdock/schemas"
)

// A ruleCase is one case of testdata: rows of an entity, the rules of a
// pipeline, and what is found. See testdata/README.md.
type ruleCase struct {
	Case    string
	Entity  string
	Columns []string
	Rules   []any
	Rows    []map[string]any
	Batches [][]map[string]any
	Target  map[string][]string          // by entity: the keys that it holds
	Holders map[string]map[string]string // by field: which key has which value
	Held    []map[string]any             // rows of the entity that the target holds
	Found   []string
	Errors  []string
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []ruleCase
		if err := yaml.UnmarshalWithOptions(text, &cases, yaml.DisallowUnknownField()); err != nil {
			t.Fatalf("%s: %s", file, err)
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Case, func(t *testing.T) {
				if diff := cmp.Diff(slices.Concat(c.Errors, c.Found), c.run(t)); diff != "" {
					t.Errorf("%s: -want +got\n%s", file, diff)
				}
			})
		}
	}
}

// run returns the errors of the rules, or what they find.
func (c *ruleCase) run(t *testing.T) []string {
	t.Helper()
	e := entity(t, c.Entity)
	batches := c.Batches
	if c.Rows != nil {
		batches = append(batches, c.Rows)
	}
	mapped := columns(t, e, c.Columns...)
	rules, errs := Compile(e, mapped, c.Rules)
	if len(errs) > 0 {
		return strings.Split(errs.Error(), "\n")
	}
	var refs References
	if c.Target != nil || c.Holders != nil || c.Held != nil {
		refs = &target{keys: c.Target, holders: c.Holders, rows: c.heldRows(t, e)}
	}
	check := rules.Start(refs)
	if rules.LooksAhead() {
		ahead := rules.Start(refs)
		for _, rows := range batches {
			if _, err := ahead.Batch(t.Context(), batch(t, e, mapped, rows), rowNumber); err != nil {
				t.Fatal(err)
			}
		}
		survey, err := ahead.Survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check.Know(survey)
	}
	var got []string
	first := int64(2) // behind the header
	for _, rows := range batches {
		b := batch(t, e, mapped, rows)
		found, err := check.Batch(t.Context(), b, func(row int) int64 { return first + int64(row) })
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			got = append(got, sentence(first, one))
		}
		first += int64(len(rows))
	}
	return got
}

// heldRows returns the rows that the target holds as it would send them, with
// a value in all parts of the key.
func (c *ruleCase) heldRows(t *testing.T, e *schemas.Entity) *schemas.Batch {
	t.Helper()
	if c.Held == nil {
		return nil
	}
	names := slices.Clone(c.Columns)
	for _, f := range e.Key() {
		names = append(names, f.Name)
		for _, row := range c.Held {
			if row[f.Name] == nil {
				row[f.Name] = f.Default
			}
		}
	}
	slices.Sort(names)
	return batch(t, e, columns(t, e, slices.Compact(names)...), c.Held)
}

// sentence writes a finding as the cases do.
func sentence(first int64, r schemas.Rejection) string {
	rule := r.Rule
	if r.Severity == schemas.Warn {
		rule += ", warn"
	}
	words := []string{fmt.Sprintf("row %d:", first+int64(r.Row))}
	if r.Field != "" {
		words = append(words, r.Field)
	}
	if r.Value != "" {
		words = append(words, fmt.Sprintf("%q", r.Value))
	}
	return strings.Join(append(words, r.Message, "("+rule+")"), " ")
}

// A target is a service that holds certain keys, and fails where err is set.
type target struct {
	keys    map[string][]string
	holders map[string]map[string]string
	rows    *schemas.Batch
	asked   []string // every key, in order
	calls   int
	err     error
}

func (x *target) Known(_ context.Context, entity string, keys []string) ([]bool, error) {
	x.calls++
	x.asked = append(x.asked, keys...)
	known := make([]bool, len(keys))
	for i, key := range keys {
		known[i] = slices.Contains(x.keys[entity], key)
	}
	return known, x.err
}

func (x *target) Holders(_ context.Context, _, field string, values []string) ([]string, error) {
	x.calls++
	holders := make([]string, len(values))
	for i, value := range values {
		holders[i] = x.holders[field][value]
	}
	return holders, x.err
}

func (x *target) Rows(_ context.Context, _ schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	if x.rows == nil {
		return 0, x.err
	}
	return 0, errors.Join(fn(x.rows), x.err)
}

// mute is a target that answers nothing.
type mute struct{}

func (mute) Known(context.Context, string, []string) ([]bool, error) { return nil, nil }

func (mute) Rows(context.Context, schemas.RowsRequest, func(*schemas.Batch) error) (int64, error) {
	return 0, nil
}

func (mute) Holders(context.Context, string, string, []string) ([]string, error) { return nil, nil }

func entity(tb testing.TB, name string) *schemas.Entity {
	tb.Helper()
	e, err := schemas.Default().Entity(name)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func columns(tb testing.TB, e *schemas.Entity, names ...string) []schemas.Column {
	tb.Helper()
	list := make([]schemas.Column, len(names))
	for i, name := range names {
		var err error
		if list[i], err = e.Column(name); err != nil {
			tb.Fatal(err)
		}
	}
	return list
}

// batch makes a batch of rows in which a missing name is an absent field and
// nil is null.
func batch(tb testing.TB, e *schemas.Entity, mapped []schemas.Column, rows []map[string]any) *schemas.Batch {
	tb.Helper()
	b := &schemas.Batch{Entity: e, Columns: mapped, Absent: make([][]bool, len(mapped))}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(mapped))
	for i, column := range mapped {
		b.Absent[i] = make([]bool, len(rows))
		for n, row := range rows {
			value, sent := row[column.Name]
			b.Absent[i][n] = !sent
			if value == nil {
				builder.Field(i).AppendNull()
				continue
			}
			text, _ := scalar(value)
			appendText(tb, builder.Field(i), column.Field.Type, text)
		}
	}
	b.Rows = builder.NewRecordBatch()
	for _, row := range rows {
		for name := range row {
			if b.Index(name) < 0 {
				tb.Fatalf("a row has %s, which is not among the columns", name)
			}
		}
	}
	return b
}

func appendText(tb testing.TB, b array.Builder, t schemas.Type, text string) {
	tb.Helper()
	var value int64
	var err error
	if isOrdered(t) {
		if value, err = parseOrdered(t, text); err != nil {
			tb.Fatalf("%q %s", text, err)
		}
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(text)
	case *array.Int64Builder:
		b.Append(value)
	case *array.Decimal64Builder:
		b.Append(decimal.Decimal64(value))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(value))
	case *array.Date32Builder:
		b.Append(arrow.Date32(value))
	case *array.BooleanBuilder:
		b.Append(text == "true")
	default:
		tb.Fatalf("no values for %T", b)
	}
}
