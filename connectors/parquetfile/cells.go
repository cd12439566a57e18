package parquetfile

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// A chunk yields the cells of one column in one row group.
type chunk interface {
	// next returns the next cell, nil where it is null, which is valid until
	// the one after it, and a fault of the cell itself.
	next() (value []byte, f fault, err error)
	// end returns an error when there is more.
	end() error
	close() error
}

// A fault is what is wrong with a cell, "" where there is nothing.
type fault string

// The rules under which rows are rejected, the names of connector json.
const (
	encoding fault = "encoding"
	tooLong  fault = "too_long"
)

const (
	lookAhead = 512 // values read from a page at once
	// Each value of this encoding may repeat the whole of the one before it, so
	// that many of them need room for many times their page.
	lookAheadDelta = 8
)

// openChunk begins to read a column of a row group.
func openChunk(c *column, group *file.RowGroupReader) (chunk, error) {
	meta, err := group.MetaData().ColumnChunk(c.leaf)
	if err != nil {
		return nil, err
	}
	ahead := lookAhead
	if slices.Contains(meta.Encodings(), parquet.Encodings.DeltaByteArray) {
		ahead = lookAheadDelta
	}
	return newChunk(c, group, meta, ahead)
}

func newChunk(c *column, group *file.RowGroupReader, meta *metadata.ColumnChunkMetaData, ahead int) (chunk, error) {
	reader, err := group.Column(c.leaf)
	if err != nil {
		return nil, err
	}
	// What a column is made of is told twice, and a damaged file may differ.
	var in chunk
	switch r := reader.(type) {
	case *file.BooleanColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.boolean, ahead)
	case *file.Int32ColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.int32, ahead)
	case *file.Int64ColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.int64, ahead)
	case *file.Int96ColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.int96, ahead)
	case *file.Float32ColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.float, ahead)
	case *file.Float64ColumnChunkReader:
		in = newCells(c, reader, r.ReadBatchInPage, c.form.double, ahead)
	case *file.ByteArrayColumnChunkReader:
		in = newBytes(c, reader, r.ReadBatchInPage, ahead)
	case *file.FixedLenByteArrayColumnChunkReader:
		in = newBytes(c, reader, r.ReadBatchInPage, ahead)
	}
	if in == nil || meta.Type() != reader.Type() {
		return nil, errors.Join(fmt.Errorf("column %s: its type differs between schema and row group", c.name), reader.Close())
	}
	return in, nil
}

// cells reads a column of values of one physical type.
type cells[T any] struct {
	*column
	reader file.ColumnChunkReader
	read   func(n int64, values []T, definition, repetition []int16) (levels int64, count int, err error)
	format func(dst []byte, v T) []byte
	text   func(v T) []byte // in place of format: the value is the text

	values                 []T
	definition, repetition []int16
	level, levels          int // at hand, of those read
	value, count           int

	scratch, item []byte
}

func newCells[T any](c *column, reader file.ColumnChunkReader,
	read func(int64, []T, []int16, []int16) (int64, int, error), format func([]byte, T) []byte, ahead int,
) chunk {
	if format == nil {
		return nil
	}
	in := &cells[T]{column: c, reader: reader, read: read, format: format, values: make([]T, ahead)}
	in.makeLevels(ahead)
	return in
}

// newBytes is newCells for values that are bytes.
func newBytes[T ~[]byte](c *column, reader file.ColumnChunkReader,
	read func(int64, []T, []int16, []int16) (int64, int, error), ahead int,
) chunk {
	in := &cells[T]{column: c, reader: reader, read: read, values: make([]T, ahead)}
	switch {
	case c.form.text:
		in.text = func(v T) []byte { return v }
	case c.form.bytes != nil:
		in.format = func(dst []byte, v T) []byte {
			if len(v) > maxDecimalBytes { // no decimal is as long, and the others have a fixed length
				return append(dst, "a number of more digits than a cell can hold"...)
			}
			return c.form.bytes(dst, v)
		}
	default:
		return nil
	}
	in.makeLevels(ahead)
	return in
}

func (in *cells[T]) makeLevels(ahead int) {
	if in.most > 0 {
		in.definition = make([]int16, ahead)
	}
	if in.column.item > 0 {
		in.repetition = make([]int16, ahead)
	}
}

var errShort = errors.New("holds fewer values than its row group has rows")

// more sees to it that a level is at hand, and reports false at the end.
func (in *cells[T]) more() (bool, error) {
	if in.level < in.levels {
		return true, nil
	}
	in.level, in.value = 0, 0
	in.levels, in.count = 0, 0
	err := sheltered(func() error {
		levels, count, err := in.read(int64(len(in.values)), in.values, in.definition, in.repetition)
		if err == nil {
			err = in.reader.Err()
		}
		in.levels, in.count = int(levels), count
		return err
	})
	if err != nil {
		return false, fmt.Errorf("column %s: %w", in.name, err)
	}
	defined := in.levels
	if in.definition != nil {
		defined = 0
		for _, d := range in.definition[:in.levels] {
			if d == in.most {
				defined++
			}
		}
	}
	if defined != in.count {
		return false, fmt.Errorf("column %s: %d values where its levels tell of %d", in.name, in.count, defined)
	}
	return in.levels > 0, nil
}

// next implements chunk.
func (in *cells[T]) next() ([]byte, fault, error) {
	if ok, err := in.more(); !ok {
		if err == nil {
			err = fmt.Errorf("column %s: %w", in.name, errShort)
		}
		return nil, "", err
	}
	if in.repetition != nil {
		return in.list()
	}
	if in.definition != nil && in.definition[in.level] != in.most {
		in.level++
		return nil, "", nil
	}
	in.level++
	value, f := in.scalar(in.scratch[:0])
	if in.text == nil {
		in.scratch = value
	}
	return value, f, nil
}

// scalar returns the value at hand as text, in dst or where it lies.
func (in *cells[T]) scalar(dst []byte) ([]byte, fault) {
	v := in.values[in.value]
	in.value++
	if in.text == nil {
		return in.format(dst, v), ""
	}
	text := in.text(v)
	switch {
	case text == nil:
		return []byte{}, ""
	case len(text) > maxCellBytes:
		return text[:maxCellBytes], tooLong
	}
	for _, b := range text {
		if b == 0 || b >= utf8.RuneSelf {
			return text, judge(text)
		}
	}
	return text, ""
}

// judge holds text to what databases take.
func judge(text []byte) fault {
	if !utf8.Valid(text) || slices.Contains(text, 0) {
		return encoding
	}
	return ""
}

// list returns the items of a row as a JSON array.
func (in *cells[T]) list() ([]byte, fault, error) {
	if in.repetition[in.level] != 0 {
		return nil, "", fmt.Errorf("column %s: a row begins in the middle of a list", in.name)
	}
	if d := in.definition[in.level]; d < in.column.item {
		in.level++
		if d < in.column.item-1 {
			return nil, "", nil
		}
		return []byte("[]"), "", nil
	}
	array, found := append(in.scratch[:0], '['), fault("")
	for first := true; ; first = false {
		ok, err := in.more()
		if err != nil {
			return nil, "", err
		}
		if !ok || !first && in.repetition[in.level] == 0 {
			break
		}
		if !first {
			array = append(array, ',')
		}
		var f fault
		if array, f = in.appendItem(array); f != "" {
			found = f
		}
		if len(array) > maxCellBytes {
			array, found = array[:maxCellBytes], tooLong
		}
	}
	array = append(array, ']')
	in.scratch = array
	return array, found, nil
}

// appendItem appends the value at hand as JSON.
func (in *cells[T]) appendItem(array []byte) ([]byte, fault) {
	defined := in.definition[in.level] == in.most
	in.level++
	if !defined {
		return append(array, "null"...), ""
	}
	if !in.form.quoted {
		value, f := in.scalar(array)
		return value, f
	}
	item, f := in.scalar(in.item[:0])
	if in.text == nil {
		in.item = item
	}
	return appendQuoted(array, item), f
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends text as a JSON string.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// end implements chunk.
func (in *cells[T]) end() error {
	ok, err := in.more()
	if ok {
		err = fmt.Errorf("column %s: holds more values than its row group has rows", in.name)
	}
	return err
}

// close implements chunk.
func (in *cells[T]) close() error { return sheltered(in.reader.Close) }
