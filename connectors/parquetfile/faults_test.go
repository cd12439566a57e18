package parquetfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
)

// A brokenSource is broken as a whole: nothing of it may be delivered.
type brokenSource struct {
	name     string
	files    map[string][]byte
	settings map[string]any
	want     string // a part of the error, or of its hint
}

func brokenSources(t testing.TB) []brokenSource {
	good := product(t)
	one := func(name string, content []byte, want string) brokenSource {
		return brokenSource{name, map[string][]byte{"x.parquet": content}, map[string]any{"path": "x.parquet"}, want}
	}
	set := func(name, setting string, value any, want string) brokenSource {
		return brokenSource{name, map[string][]byte{"x.parquet": good}, map[string]any{"path": "x.parquet", setting: value}, want}
	}
	leafOf := func(node schema.Node, values any) []byte {
		return build(t, []leaf{{node, []levels{{values, nil, nil}}}})
	}
	bytesNode := schema.MustPrimitive(schema.NewPrimitiveNode("image", parquet.Repetitions.Required, parquet.Types.ByteArray, -1, 0))
	pair := schema.FieldList{textNode("a"), textNode("b")}
	groups := listNode("lines", schema.MustGroup(schema.NewGroupNode("element", parquet.Repetitions.Required, pair, -1)))
	keyValue := schema.MustGroup(schema.NewGroupNode("key_value", parquet.Repetitions.Repeated, schema.FieldList{required("key", schema.StringLogicalType{}, parquet.Types.ByteArray, 0), textNode("value")}, -1))
	mapNode := schema.MustGroup(schema.NewGroupNodeLogical("attributes", parquet.Repetitions.Optional, schema.FieldList{keyValue}, schema.MapLogicalType{}, -1))
	none := levels{[]parquet.ByteArray{}, []int16{0}, []int16{0}}
	lists := listNode("grid", listNode("element", textNode("element")))
	return []brokenSource{
		{"no file", nil, map[string]any{"path": "x.parquet"}, "there is no such file"},
		one("CSV", []byte("sku;name\n1;2\n"), `x.parquet: is not a Parquet file: it begins with "sku;"`),
		one("one byte", []byte("P"), "is not a Parquet file"),
		one("encrypted", append([]byte("PARE"), good[4:]...), "is an encrypted Parquet file"),
		one("the mark alone", []byte("PAR1"), "the file is cut off"),
		one("cut off", good[:len(good)-9], "the file is cut off"),
		one("a footer larger than the file", append(bytes.Clone(good[:len(good)-8]), "\xff\xff\xff\x7fPAR1"...), "the file is cut off"),
		one("a footer of zeros", append(bytes.Repeat([]byte{0}, 0), "PAR1\x00\x00\x00\x00\x04\x00\x00\x00PAR1"...), "cannot be read as Parquet: the footer has no schema"),
		one("no rows", leafOf(required("x", schema.NoLogicalType{}, parquet.Types.Int32, 0), []int32{}), "x.parquet: has columns but no rows"),
		one("bytes", leafOf(bytesNode, []parquet.ByteArray{{1}}), "x.parquet:image: holds bytes, and does not say what they are"),
		one("bytes, and how to read them", leafOf(bytesNode, []parquet.ByteArray{{1}}), "skip: [image], or, if it is text in UTF-8, say so with text: [image]"),
		one("an interval", leafOf(required("lead", schema.IntervalLogicalType{}, parquet.Types.FixedLenByteArray, 12), []parquet.FixedLenByteArray{make([]byte, 12)}), "x.parquet:lead: is of type Interval"),
		one("a list of groups", build(t, []leaf{{groups, []levels{none}}, {nil, []levels{none}}}), "x.parquet:lines: is a list of groups"),
		one("a map", build(t, []leaf{{mapNode, []levels{none}}, {nil, []levels{none}}}), "x.parquet:attributes: is a map or a list of groups"),
		one("a list of lists", build(t, []leaf{{lists, []levels{none}}}), "x.parquet:grid: is a list of lists"),
		one("a name twice", build(t, []leaf{{textNode("a"), []levels{texts("1")}}, {textNode("a"), []levels{texts("2")}}}), "x.parquet:a: several columns have this name"),
		set("all columns left out", "skip", []any{"sku", "price.amount", "tags"}, "has no columns to read"),
		set("a column to leave out that is not there", "skip", "price", `has no column "price", which skip names`),
		set("text that is not there", "text", "skuu", `has no column "skuu", which text names, did you mean sku?`),
		{
			"other columns in the second file",
			map[string][]byte{"a.parquet": good, "b.parquet": leafOf(required("sku", schema.NoLogicalType{}, parquet.Types.Int32, 0), []int32{1})},
			map[string]any{"path": "*.parquet"},
			`b.parquet: its columns differ from those of a.parquet: it lacks "price.amount"`,
		},
		{
			"a column more in the second file",
			map[string][]byte{"b.parquet": good, "a.parquet": leafOf(required("sku", schema.NoLogicalType{}, parquet.Types.Int32, 0), []int32{1})},
			map[string]any{"path": "*.parquet"},
			`it has "price.amount" beside them`,
		},
		one("more children than there is memory", hostileSchema([]byte{0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f}), "its schema declares 2147483647 children"),
		one("deeper groups than there is stack", deepSchema(), "more than 100 levels deep"),
	}
}

// withFooter makes a file of a footer alone.
func withFooter(footer []byte) []byte {
	file := append([]byte("PAR1"), footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}

// hostileSchema is a footer of one element with the children given, as thrift
// writes that field: version 1, a list of one struct, its name and children.
func hostileSchema(children []byte) []byte {
	footer := []byte{0x15, 0x02, 0x19, 0x1c, 0x48, 0x01, 'r'}
	footer = append(footer, children...)
	return withFooter(append(footer, 0, 0))
}

// deepSchema is a footer of 4,000 groups, each in the one before it.
func deepSchema() []byte {
	const deep = 4000
	footer := []byte{0x15, 0x02, 0x19, 0xfc}
	footer = binary.AppendUvarint(footer, deep)
	for range deep {
		footer = append(footer, 0x48, 0x01, 'g', 0x15, 0x02, 0)
	}
	return withFooter(append(footer, 0))
}

// cutStep is prime, so that it falls into step with nothing in a file.
const cutStep = 7

// A file that is cut at any byte is an error, and no row of it is delivered.
func TestCutFilesAreErrors(t *testing.T) {
	good := product(t)
	path := filepath.Join(t.TempDir(), "x.parquet")
	read := func(content []byte) (string, error) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return readAll(t.Context(), newSource(t, ".", map[string]any{"path": path}))
	}
	for n := 0; n < len(good); n += cutStep {
		rows, err := read(good[:n])
		if _, ok := errors.AsType[*connectors.Error](err); !ok || rows != "" {
			t.Fatalf("cut off at %d of %d: rows %q, error %v", n, len(good), rows, err)
		}
	}
}

// Where any byte is another one, or lost, there is an error, or a cell holds
// something else: it is no panic, and no row is lost without a word.
func TestChangedBytesLoseNoRows(t *testing.T) {
	good := product(t)
	path := filepath.Join(t.TempDir(), "x.parquet")
	want := strings.Count(rowsOf(t, good), "\n")
	for n := 0; n < len(good); n += cutStep {
		other := bytes.Clone(good)
		other[n] ^= 0xff >> (n % 8)
		for what, content := range map[string][]byte{"changed": other, "lost": append(bytes.Clone(good[:n]), good[n+1:]...)} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			rows, err := readAll(t.Context(), newSource(t, ".", map[string]any{"path": path}))
			if _, ok := errors.AsType[*connectors.Error](err); err != nil && !ok {
				t.Fatalf("byte %d of %d %s: %v is no *connectors.Error", n, len(good), what, err)
			}
			if got := strings.Count(rows, "\n"); err == nil && got != want {
				t.Errorf("byte %d of %d %s: %d rows, want %d or an error", n, len(good), what, got, want)
			}
		}
	}
}
