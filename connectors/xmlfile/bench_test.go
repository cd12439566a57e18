package xmlfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"crossdock/connectors"
)

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "large.xml")
	writeProducts(b, path, 20_000)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for name, columns := range map[string]map[string]any{
		"all columns": nil, "named columns": {"sku": "@id", "name": "name", "net": "price[@type='net']"},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(info.Size())
			for b.Loop() {
				s := settings("path", path)
				if columns != nil {
					s["columns"] = columns
				}
				reader, err := newSource(b, ".", s).Open(b.Context(), connectors.ReadRequest{})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = reader.Next(b.Context())
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}
