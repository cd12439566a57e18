package main

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A dry run that would change every row leaves every file of the data folder
// as it is, byte for byte.
func TestADryRunTouchesNoFile(t *testing.T) {
	pipeline := manyProducts(t, 5000)
	data := t.TempDir()
	if out, code := crossdock(t, data, "run", pipeline); code != 3 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	source := filepath.Join(filepath.Dir(pipeline), "products.csv")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, bytes.ReplaceAll(text, []byte("Product number"), []byte("Other product")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := checksums(t, data)
	out, code := crossdock(t, data, "run", pipeline, "--dry-run", "--diff", filepath.Join(t.TempDir(), "changes.csv"))
	if code != 3 || !bytes.Contains(out, []byte(`"updated":4995`)) {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if diff := cmp.Diff(before, checksums(t, data)); diff != "" {
		t.Error(diff)
	}
}

// checksums returns that of every file in a folder, of which there are several.
func checksums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sums[path] = sha256.Sum256(text)
		return err
	})
	if err != nil || len(sums) < 4 {
		t.Fatalf("%d files, %v", len(sums), err)
	}
	return sums
}
