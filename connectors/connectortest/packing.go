package connectortest

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
)

// Zipped returns a ZIP archive of files, by name.
func Zipped(t testing.TB, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) { // another order than that of reading
		member, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(member, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Zstd returns a content packed by zstd.
func Zstd(t testing.TB, content string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

// Within returns the harness of the same dataset, packed into an archive by
// the name given.
func (h Harness) Within(archive string) Harness {
	rows, rejects := slices.Clone(h.Rows), slices.Clone(h.Rejects)
	for i := range rows {
		rows[i].Place = archive + ":" + rows[i].Place
	}
	for i := range rejects {
		rejects[i].Place = archive + ":" + rejects[i].Place
	}
	h.Rows, h.Rejects = rows, rejects
	h.Large, h.Malformed = nil, nil
	return h
}
