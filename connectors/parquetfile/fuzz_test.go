package parquetfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"

	"crossdock/connectors"
)

// FuzzParquet holds the connector to its promises over any bytes: no panic, no
// error that a user could not act on, the same rows from any cursor.
func FuzzParquet(f *testing.F) {
	good := product(f)
	f.Add(good)
	f.Add(product(f, parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithCompression(compress.Codecs.Zstd)))
	f.Add(product(f, parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("sku", parquet.Encodings.DeltaByteArray)))
	f.Add(product(f, parquet.WithCompression(compress.Codecs.Snappy)))
	f.Add(hostileSchema([]byte{0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f}))
	f.Add(deepSchema())
	f.Add(good[:len(good)-9])
	path := filepath.Join(f.TempDir(), fmt.Sprintf("x%d.parquet", os.Getpid()))
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) == 0 {
			return
		}
		if err := os.WriteFile(path, input, 0o600); err != nil {
			t.Fatal(err)
		}
		src := newSource(t, ".", map[string]any{"path": path})
		src.Check(t.Context())
		whole, err := readAll(t.Context(), src)
		if err != nil {
			if _, ok := errors.AsType[*connectors.Error](err); !ok {
				t.Fatalf("%v is no *connectors.Error", err)
			}
			return
		}
		if strings.Count(whole, "\n") > 200 {
			return // a file is opened for each
		}
		compareCursors(t, src, whole)
	})
}

// compareCursors reads row by row, each from the cursor of the one before it.
func compareCursors(t *testing.T, src connectors.Source, whole string) {
	t.Helper()
	rows := 0
	cursor := connectors.Cursor("")
	for {
		reader, err := src.Open(t.Context(), connectors.ReadRequest{Cursor: cursor, BatchRows: 1})
		if err != nil {
			t.Fatalf("from %s: %v", cursor, err)
		}
		batch, err := reader.Next(t.Context())
		_ = reader.Close()
		if err != nil {
			break
		}
		rows += batch.Read()
		cursor = batch.Cursor
	}
	if want := strings.Count(whole, "\n"); rows != want {
		t.Fatalf("%d rows from cursor to cursor, %d at once", rows, want)
	}
}
