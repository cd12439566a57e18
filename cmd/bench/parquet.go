package main

import (
	"errors"
	"os"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// parquetRows is how many rows a row group has.
const parquetRows = 100_000

// writeParquet writes the products of the CSV file, all of them text.
func writeParquet(path string, rows int) error {
	fields := make(schema.FieldList, len(productColumns()))
	for i, name := range productColumns() {
		node, err := schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Required, schema.StringLogicalType{}, parquet.Types.ByteArray, 0, -1)
		if err != nil {
			return err
		}
		fields[i] = node
	}
	root, err := schema.NewGroupNode("products", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := file.NewParquetWriter(out, root, file.WithWriterProps(parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy))))
	random := newRandom()
	row := make([]string, len(fields))
	columns := make([][]parquet.ByteArray, len(fields))
	for i := range rows {
		productRow(i, random, row)
		for c, text := range row {
			columns[c] = append(columns[c], parquet.ByteArray(text))
		}
		if len(columns[0]) == parquetRows || i == rows-1 {
			if err := writeGroup(w, columns); err != nil {
				return errors.Join(err, w.Close())
			}
			for c := range columns {
				columns[c] = columns[c][:0]
			}
		}
	}
	return w.Close() // closes the file as well
}

func writeGroup(w *file.Writer, columns [][]parquet.ByteArray) error {
	group, err := w.AppendRowGroupChecked()
	if err != nil {
		return err
	}
	for _, values := range columns {
		column, err := group.NextColumn()
		if err != nil {
			return err
		}
		if _, err := column.(*file.ByteArrayColumnChunkWriter).WriteBatch(values, nil, nil); err != nil {
			return err
		}
		if err := column.Close(); err != nil {
			return err
		}
	}
	return group.Close()
}
