package jsonfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
)

// A modelFile is a file of random records, and what must be read from it.
type modelFile struct {
	content string
	records string   // the setting
	rows    []string // as modelRow writes them
}

// drawFile makes a file of any build, encoding and packing.
func drawFile(t *rapid.T) modelFile {
	member := rapid.SampledFrom([]string{"sku", "name", "price", "größe", "a b"})
	plain := rapid.OneOf(
		rapid.SampledFrom([]string{"", "x", "0017", "ä€😀", "\"\\\n\t/", "true", "null"}).AsAny(),
		rapid.IntRange(-5, 5).AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
		rapid.SliceOfN(rapid.SampledFrom([]any{1, "b c", nil}), 0, 3).AsAny(),
	)
	inner := rapid.MapOfN(rapid.SampledFrom([]string{"amount", "unit"}), plain, 1, 2).AsAny()
	object := rapid.MapOfN(member, rapid.OneOf(plain, plain, inner), 1, 5)
	objects := rapid.SliceOfN(object, 1, 12).Draw(t, "records")

	build := rapid.SampledFrom([]string{"lines", "array", "path"}).Draw(t, "build")
	var f modelFile
	var b strings.Builder
	number := int64(1)
	for i, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if build == "lines" {
			if rapid.IntRange(0, 4).Draw(t, "blank") == 0 && i > 0 {
				b.WriteString(" \r\n")
				number++
			}
			b.Write(text)
			b.WriteString(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end"))
		} else {
			if i > 0 {
				b.WriteString(rapid.SampledFrom([]string{",", " ,\n", ",\t"}).Draw(t, "comma"))
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, text, "", rapid.SampledFrom([]string{"", "  "}).Draw(t, "indent")); err != nil {
				t.Fatal(err)
			}
			b.Write(pretty.Bytes())
		}
		f.rows = append(f.rows, modelRow(number, o, objects))
		number++
	}
	f.content = b.String()
	f.records = "$"
	switch build {
	case "array":
		f.content = "[" + f.content + "\n]\n"
	case "path":
		f.records = "data.items"
		f.content = `{"next":"]}","data":{"total":[1,2],"items":[` + f.content + `]},"end":{}}`
	}
	return f
}

// modelRow writes what must be read of one record among all: every member by
// its path. A null where others have an object makes the members of it null.
func modelRow(number int64, object map[string]any, all []map[string]any) string {
	cells := map[string]string{}
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok {
			for sub, value := range inner {
				cells[name+"."+sub] = modelCell(value)
			}
			continue
		}
		within, alone := false, true
		for _, other := range all {
			inner, isObject := other[name].(map[string]any)
			within = within || isObject
			alone = alone && (isObject || other[name] == nil)
			for sub := range inner {
				if value == nil {
					cells[name+"."+sub] = "null"
				}
			}
		}
		if value != nil || !within || !alone {
			cells[name] = modelCell(value)
		}
	}
	return fmt.Sprint(number, " ", cells) // fmt sorts the keys of a map
}

func modelCell(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("text %q", value)
	case int:
		return fmt.Sprintf("number %d", value)
	case bool:
		return fmt.Sprintf("boolean %t", value)
	}
	text, _ := json.Marshal(value)
	return fmt.Sprintf("text %q", text)
}

// readRow writes a row as modelRow does.
func readRow(b *connectors.Batch, row int) string {
	cells := map[string]string{}
	for c := range int(b.Rows.NumCols()) {
		name, kind := b.Rows.ColumnName(c), b.KindOf(c, row)
		if kind == connectors.AbsentCell {
			continue
		}
		column := b.Rows.Column(c)
		if column.IsNull(row) {
			cells[name] = "null"
			continue
		}
		word := map[connectors.Kind]string{connectors.NumberCell: "number %s", connectors.BooleanCell: "boolean %s"}[kind]
		if word == "" {
			word = "text %q"
		}
		cells[name] = fmt.Sprintf(word, column.ValueStr(row))
	}
	return fmt.Sprint(b.Origin.Rows[row], " ", cells)
}

// However records are written down, packed and cut into batches, and however
// often reading stops and goes on, the same rows come out.
func TestAnyFileIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFile(rt)
		content := f.content
		switch rapid.IntRange(0, 3).Draw(rt, "encoding") {
		case 1:
			content = "\uFEFF" + content
		case 2:
			content = inUTF16(content, binary.LittleEndian)
		case 3:
			content = inUTF16("\uFEFF"+content, binary.BigEndian)
		}
		if rapid.Bool().Draw(rt, "packed") {
			content = gzipped(t, content)
		}
		if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(content), 0o600); err != nil {
			rt.Fatal(err)
		}
		got := readInPieces(rt, newSource(t, dir, map[string]any{"path": "x.json", "records": f.records}))
		if diff := cmp.Diff(f.rows, got); diff != "" {
			rt.Fatalf("%s\n(-want +got):\n%s", f.content, diff)
		}
	})
}

// readInPieces reads a source, and opens it anew behind any batch.
func readInPieces(t *rapid.T, src connectors.Source) []string {
	var rows []string
	cursor := connectors.Cursor("")
	for {
		size := rapid.IntRange(1, 5).Draw(t, "batch rows")
		reader, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: cursor, BatchRows: size})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			batch, err := reader.Next(t.Context())
			if errors.Is(err, io.EOF) {
				reader.Close()
				return rows
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(batch.Rejects) > 0 {
				t.Fatalf("rejected: %+v", batch.Rejects)
			}
			for row := range int(batch.Rows.NumRows()) {
				rows = append(rows, readRow(batch, row))
			}
			cursor = batch.Cursor
		}
		reader.Close()
	}
}
