package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/thrift/lib/go/thrift"

	"crossdock/connectors"
)

// errDamaged is what becomes of a panic in the library, which meets damaged
// files with one here and there.
var errDamaged = errors.New("the file is damaged")

// sheltered runs what calls the library.
func sheltered(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return do()
}

// damaged is the error of a file of which something is not as it must be.
func damaged(f connectors.File, row int64, err error) error {
	return &connectors.Error{
		Place: connectors.Place{Resource: f.Name, Row: row}, Message: "cannot be read as Parquet", Err: err,
		Hint: "was it fully written? Have the program that makes it write it again",
	}
}

// An opened file is one whose footer was read.
type opened struct {
	*file.Reader
	content *connectors.Seekable
}

// Close closes the file.
func (o *opened) Close() error { return o.content.Close() }

// openParquet opens a file, unpacked where it is packed, and reads its footer.
func openParquet(ctx context.Context, f connectors.File) (*opened, error) {
	content, err := f.OpenSeekable(ctx, connectors.MaxUnpackedBytes)
	if err != nil {
		return nil, err
	}
	if err := recognise(f, content); err != nil {
		_ = content.Close()
		return nil, err
	}
	// Pages are read as they are needed, and not a whole group of rows at once.
	props := parquet.NewReaderProperties(nil)
	props.BufferedStreamEnabled = true
	props.BufferSize = 64 << 10
	props.PageStreamingEnabled = true
	props.MaxUncompressedPageSize = maxPageBytes
	o := &opened{content: content}
	err = sheltered(func() (err error) {
		o.Reader, err = file.NewParquetReader(io.NewSectionReader(content, 0, content.Size), file.WithReadProps(props))
		return err
	})
	if err == nil {
		err = sheltered(func() error { return checkGroups(o.MetaData(), content.Size) })
	}
	if err != nil {
		_ = content.Close()
		return nil, damaged(f, 0, err)
	}
	return o, nil
}

// recognise looks at both ends of a file, and at the sizes that the footer
// declares before the library makes room for them.
func recognise(f connectors.File, content *connectors.Seekable) error {
	place := connectors.Place{Resource: f.Name}
	const ends = 4 // bytes of the mark with which a file begins and ends
	var head [ends]byte
	var tail [2 * ends]byte
	if _, err := content.ReadAt(head[:], 0); err != nil || string(head[:]) != "PAR1" {
		if string(head[:]) == "PARE" {
			return &connectors.Error{Place: place, Message: "is an encrypted Parquet file", Hint: "have it written without encryption"}
		}
		return &connectors.Error{Place: place, Message: fmt.Sprintf("is not a Parquet file: it begins with %q, not with PAR1", head[:])}
	}
	cut := &connectors.Error{
		Place: place, Message: "the file is cut off: it does not end as a Parquet file does",
		Hint: "was it fully written? Let the program that writes it write to another name and rename it when it is whole",
	}
	if content.Size < int64(len(head)+len(tail)) {
		return cut
	}
	if _, err := content.ReadAt(tail[:], content.Size-int64(len(tail))); err != nil || string(tail[ends:]) != "PAR1" {
		return cut
	}
	size := int64(binary.LittleEndian.Uint32(tail[:]))
	if size > content.Size-int64(len(head)+len(tail)) {
		return cut
	}
	if size > maxFooter {
		return &connectors.Error{Place: place, Message: fmt.Sprintf("its footer is larger than %d MiB", maxFooter>>20), Hint: "have it written with larger row groups, or as several files"}
	}
	footer := make([]byte, size)
	if _, err := content.ReadAt(footer, content.Size-int64(len(tail))-size); err != nil {
		return &connectors.Error{Place: place, Message: "cannot be read", Err: err}
	}
	if err := checkSchema(footer); err != nil {
		return damaged(f, 0, err)
	}
	return nil
}

// The numbers of fields in Parquet's thrift definition.
const (
	schemaField   = 2 // of FileMetaData: list<SchemaElement>
	childrenField = 5 // of SchemaElement: i32 num_children
)

// checkSchema walks the schema as it lies in the footer. The library makes
// room for as many children as an element declares, and descends as deep as
// they lie, so that a few bytes could end the process.
func checkSchema(footer []byte) error {
	ctx := context.Background() // the bytes are in memory
	in := thrift.NewTCompactProtocolConf(&thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(footer)}, &thrift.TConfiguration{})
	for {
		_, kind, id, err := in.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		switch {
		case kind == thrift.STOP:
			return errors.New("the footer has no schema")
		case id == schemaField && kind == thrift.LIST:
			_, elements, err := in.ReadListBegin(ctx)
			if err != nil {
				return err
			}
			return checkElements(ctx, in, elements)
		}
		if err := in.Skip(ctx, kind); err != nil {
			return err
		}
	}
}

// checkElements reads the elements of a schema, which stand parent before
// children, and follows how many are still to come in each level.
func checkElements(ctx context.Context, in thrift.TProtocol, elements int) error {
	if elements > 2*maxColumns {
		return fmt.Errorf("it has more than %d columns", maxColumns)
	}
	open := []int{1}
	for range elements {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return errors.New("its schema has elements that belong to no group")
		}
		open[len(open)-1]--
		children, err := readElement(ctx, in)
		if err != nil {
			return err
		}
		if children < 0 || children > elements {
			return fmt.Errorf("its schema declares %d children of one element", children)
		}
		if open = append(open, children); len(open) > maxDepth {
			return fmt.Errorf("its groups lie more than %d levels deep", maxDepth)
		}
	}
	return nil
}

func readElement(ctx context.Context, in thrift.TProtocol) (children int, err error) {
	if _, err := in.ReadStructBegin(ctx); err != nil {
		return 0, err
	}
	for {
		_, kind, id, err := in.ReadFieldBegin(ctx)
		if err != nil {
			return 0, err
		}
		if kind == thrift.STOP {
			return children, in.ReadStructEnd(ctx)
		}
		if id == childrenField && kind == thrift.I32 {
			n, err := in.ReadI32(ctx)
			if err != nil {
				return 0, err
			}
			children = int(n)
			continue
		}
		if err := in.Skip(ctx, kind); err != nil {
			return 0, err
		}
	}
}

// maxRowsPerByte bounds how many rows a file of some size may declare, past
// the first million: a run of equal values takes a few bytes, however long.
const maxRowsPerByte = 1000

// checkGroups holds the row groups to the file they lie in.
func checkGroups(meta *metadata.FileMetaData, size int64) error {
	rows := int64(0)
	for g := range meta.NumRowGroups() {
		group := meta.RowGroup(g)
		if group.NumRows() < 0 || group.NumColumns() != meta.Schema.NumColumns() {
			return fmt.Errorf("row group %d has %d rows of %d columns, the file has %d columns", g+1, group.NumRows(), group.NumColumns(), meta.Schema.NumColumns())
		}
		rows += group.NumRows()
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return err
			}
			start := chunk.DataPageOffset()
			if chunk.HasDictionaryPage() && chunk.DictionaryPageOffset() > 0 {
				start = min(start, chunk.DictionaryPageOffset())
			}
			if length := chunk.TotalCompressedSize(); start < 0 || length < 0 || start > size || length > size-start {
				return fmt.Errorf("row group %d, column %s: %d bytes at %d lie outside of the file", g+1, chunk.PathInSchema(), length, start)
			}
		}
	}
	switch {
	case rows != meta.GetNumRows():
		return fmt.Errorf("its row groups have %d rows, the file has %d", rows, meta.GetNumRows())
	case rows > 1_000_000 && rows/maxRowsPerByte > size:
		return fmt.Errorf("it declares %d rows in %d bytes: refused as a decompression bomb", rows, size)
	}
	return nil
}
