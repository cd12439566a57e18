package connectors

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, content []byte) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

func TestFindFiles(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "far.csv")
	for _, name := range []string{"b.csv", "a.csv", "in/c.csv", "p[1].csv"} {
		writeFile(t, filepath.Join(dir, name), "x")
	}
	writeFile(t, filepath.Join(dir, "empty.txt"), "")
	writeFile(t, other, "x")
	for _, tt := range []struct {
		pattern string
		want    []string
		wantErr string
	}{
		{"a.csv", []string{"a.csv"}, ""},
		{"*.csv", []string{"a.csv", "b.csv", "p[1].csv"}, ""},
		{"in/?.csv", []string{"in/c.csv"}, ""},
		{"p[1].csv", []string{"p[1].csv"}, ""},
		{filepath.Join(dir, "in/c.csv"), []string{"in/c.csv"}, ""},
		{other, []string{other}, ""},
		{"aa.csv", nil, "aa.csv: there is no such file, did you mean a.csv?"},
		{"zzzzzzzzz", nil, "zzzzzzzzz: there is no such file"},
		{"nowhere/x.csv", nil, "nowhere/x.csv: there is no such file"},
		{"*.xlsx", nil, "*.xlsx: no file matches"},
		{"[.csv", nil, "[.csv: is not a pattern of file names: syntax error in pattern"},
		{"in", nil, "in: is a folder"},
		{"empty.txt", []string{"empty.txt"}, "empty.txt: the file is empty"},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			files, err := FindFiles(Env{Dir: dir}, tt.pattern)
			if text := errText(err); text != tt.wantErr {
				t.Fatalf("error is %q, want %q", text, tt.wantErr)
			}
			if tt.wantErr != "" && tt.pattern != "empty.txt" && len(files) > 0 {
				t.Errorf("files %v with the error", files)
			}
			var names []string
			for _, f := range files {
				names = append(names, f.Name)
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func findOne(t *testing.T, path string) File {
	t.Helper()
	files, err := FindFiles(Env{Dir: filepath.Dir(path)}, filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

func TestCheckUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	writeFile(t, path, "one")
	file := findOne(t, path)
	if err := file.CheckUnchanged(); err != nil {
		t.Errorf("nothing changed, but: %v", err)
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if got, want := errText(file.CheckUnchanged()), "x.csv: changed while it was read"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, want := errText(file.CheckUnchanged()), "x.csv: there is no such file"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

// numbered returns rows that differ, which nothing packs to a thousandth.
func numbered(rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, "row %d of the text\n", i)
	}
	return b.String()
}

func TestOpenUnpacks(t *testing.T) {
	content := numbered(100_000)
	for _, tt := range []struct {
		name, stored string
		packed       bool
	}{
		{"plain", content, false},
		{"packed", pack(t, []byte(content)), true},
		{"packed by zstd", zstdOf(t, []byte(content)), true},
		{"packed by zstd in two parts", zstdOf(t, []byte(content[:100])) + zstdOf(t, []byte(content[100:])), true},
		{"packed in two parts", pack(t, []byte(content[:100])) + pack(t, []byte(content[100:])), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			writeFile(t, path, tt.stored)
			open, err := findOne(t, path).Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(open)
			if err != nil || string(got) != content {
				t.Errorf("read %d bytes, want %d, error %v", len(got), len(content), err)
			}
			if open.Packed != tt.packed || open.Done() != int64(len(tt.stored)) {
				t.Errorf("packed %v, done %d; want %v, %d", open.Packed, open.Done(), tt.packed, len(tt.stored))
			}
			if err := open.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSkipTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	writeFile(t, path, "0123456789")
	open, err := findOne(t, path).Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{7, 0, 10} {
		if err := open.SkipTo(offset); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(open); err != nil || string(got) != "0123456789"[offset:] {
			t.Errorf("from %d on read %q, %v", offset, got, err)
		}
	}
	if err := open.SkipTo(-1); err == nil {
		t.Error("an offset below 0 is no error")
	}
	if err := open.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsBroken(t *testing.T) {
	packed := pack(t, bytes.Repeat([]byte("a row of text\n"), 100_000))
	noise := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	squeezed := zstdOf(t, noise)
	for _, tt := range []struct{ name, stored, want string }{
		{"no header", "\x1f\x8b", "is not a whole gzip file"},
		{"cut off", packed[:len(packed)-100], "the gzip file is cut off or damaged"},
		{"cut off in its check sum", packed[:len(packed)-4], "the gzip file is cut off or damaged"},
		{"damaged", packed[:len(packed)-8] + "12345678", "the gzip file is cut off or damaged"},
		{"rubbish behind it", packed + "rubbish behind", "gzip"},
		{"zstd cut off", squeezed[:len(squeezed)-100], "the zstd file is cut off or damaged"},
		{"zstd cut off in its check sum", squeezed[:len(squeezed)-2], "the zstd file is cut off or damaged"},
		{"zstd damaged", squeezed[:len(squeezed)-4] + "1234", "the zstd file is cut off or damaged"},
		{"zstd with rubbish behind it", squeezed + "rubbish behind", "the zstd file is cut off or damaged"},
		{"zstd bomb", zstdOf(t, make([]byte, 16<<20)), "decompression bomb"},
		{"zstd that needs much memory", "\x28\xb5\x2f\xfd\x00\x88" + squeezed[6:], "needs more than 32 MiB to be unpacked"},
		{"bomb", pack(t, make([]byte, 16<<20)), "decompression bomb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			writeFile(t, path, tt.stored)
			open, err := findOne(t, path).Open()
			if err == nil {
				_, err = io.Copy(io.Discard, open)
				_ = open.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := (File{Path: filepath.Join(t.TempDir(), "gone"), Name: "gone"}).Open(); err == nil {
		t.Error("a file that is gone is no error")
	}
}
