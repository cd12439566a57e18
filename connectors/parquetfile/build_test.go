package parquetfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
)

// A leaf is one column of a file to build, by row group.
type leaf struct {
	node   schema.Node // of the root
	groups []levels
}

// levels are the values of a leaf in one row group; the levels of definition
// and repetition are nil where it has none.
type levels struct {
	values                 any
	definition, repetition []int16
}

// build writes a Parquet file.
func build(t testing.TB, leaves []leaf, options ...parquet.WriterProperty) []byte {
	t.Helper()
	fields := make(schema.FieldList, 0, len(leaves))
	for _, l := range leaves {
		if l.node != nil { // else another leaf of the group before
			fields = append(fields, l.node)
		}
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := file.NewParquetWriter(&out, root, file.WithWriterProps(parquet.NewWriterProperties(options...)))
	for g := range leaves[0].groups {
		group, err := w.AppendRowGroupChecked()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			column, err := group.NextColumn()
			if err != nil {
				t.Fatal(err)
			}
			if err := put(column, l.groups[g]); err != nil {
				t.Fatal(err)
			}
			if err := column.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := group.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func put(column file.ColumnChunkWriter, l levels) (err error) {
	switch w := column.(type) {
	case *file.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]bool), l.definition, l.repetition)
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]int32), l.definition, l.repetition)
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]int64), l.definition, l.repetition)
	case *file.Int96ColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]parquet.Int96), l.definition, l.repetition)
	case *file.Float32ColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]float32), l.definition, l.repetition)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]float64), l.definition, l.repetition)
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]parquet.ByteArray), l.definition, l.repetition)
	case *file.FixedLenByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(l.values.([]parquet.FixedLenByteArray), l.definition, l.repetition)
	}
	return err
}

// texts returns the values of a column of text; "-" is a null.
func texts(values ...string) levels {
	l := levels{definition: []int16{}}
	kept := []parquet.ByteArray{}
	for _, v := range values {
		if v == "-" {
			l.definition = append(l.definition, 0)
			continue
		}
		l.definition = append(l.definition, 1)
		kept = append(kept, parquet.ByteArray(v))
	}
	l.values = kept
	return l
}

// textNode is that of a column of text that may be null.
func textNode(name string) schema.Node {
	return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Optional, schema.StringLogicalType{}, parquet.Types.ByteArray, 0, -1))
}

func required(name string, logical schema.LogicalType, physical parquet.Type, length int) schema.Node {
	return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Required, logical, physical, length, -1))
}

// listNode is the group of three levels that a list of optional values is.
func listNode(name string, item schema.Node) schema.Node {
	repeated := schema.MustGroup(schema.NewGroupNode("list", parquet.Repetitions.Repeated, schema.FieldList{item}, -1))
	return schema.MustGroup(schema.NewGroupNodeLogical(name, parquet.Repetitions.Optional, schema.FieldList{repeated}, schema.ListLogicalType{}, -1))
}

// write puts files into a new folder, which it returns.
func write(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newSource(t testing.TB, dir string, settings map[string]any) connectors.Source {
	t.Helper()
	src, err := Type().New(settings, connectors.Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return src
}
