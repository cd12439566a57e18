package connectors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
)

// An entry is a member of an archive that a test makes.
type entry struct {
	name, content string
	change        func(*zip.FileHeader)
}

func zipOf(t testing.TB, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.change != nil {
			e.change(h)
		}
		member, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(member, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zstdOf(t testing.TB, content []byte) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll(content, nil))
}

func stored(h *zip.FileHeader) { h.Method = zip.Store }

// readMembers returns what the files of a pattern hold, by name and in order.
func readMembers(env Env, pattern, members string) (names, contents []string, err error) {
	files, err := FindMembers(env, pattern, members)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		open, err := file.Open()
		if err != nil {
			return nil, nil, err
		}
		content, err := io.ReadAll(open)
		if err != nil {
			_ = open.Close()
			return nil, nil, fmt.Errorf("%s: %w", file.Name, err)
		}
		if done := open.Done(); done > file.Size {
			return nil, nil, fmt.Errorf("%s: read %d of %d bytes", file.Name, done, file.Size)
		}
		if err := open.Close(); err != nil {
			return nil, nil, err
		}
		names, contents = append(names, file.Name), append(contents, string(content))
	}
	return names, contents, nil
}

func TestFindMembers(t *testing.T) {
	dir := t.TempDir()
	archive := zipOf(
		t, entry{"prices/b.csv", "b", nil}, entry{"prices/", "", nil}, entry{"a.csv", "a", stored}, entry{"readme.txt", "r", nil},
		entry{"__MACOSX/a.csv", "x", nil}, entry{"prices/.DS_Store", "x", nil}, entry{`win\c.csv`, "c", nil},
		entry{"gr\x94\xe1e.csv", "d", func(h *zip.FileHeader) { h.NonUTF8 = true }}, entry{"../../etc/x.csv", "e", nil},
	)
	writeFile(t, filepath.Join(dir, "acme.zip"), archive)
	writeFile(t, filepath.Join(dir, "plain.csv"), "p")
	writeFile(t, filepath.Join(dir, "book.xlsx"), zipOf(t, entry{"xl/workbook.xml", "x", nil}, entry{"[Content_Types].xml", "x", nil}))
	writeFile(t, filepath.Join(dir, "sheet.ods"), zipOf(t, entry{"mimetype", "x", stored}))
	writeFile(t, filepath.Join(dir, "text"), "PK")
	writeFile(t, filepath.Join(dir, "cut.xlsx"), archive[:len(archive)-30])
	for _, tt := range []struct{ pattern, members, want, wantErr string }{
		{"acme.zip", "*.csv", "acme.zip:../../etc/x.csv=e acme.zip:a.csv=a acme.zip:größe.csv=d acme.zip:prices/b.csv=b acme.zip:win/c.csv=c", ""},
		{"acme.zip", "prices/*", "acme.zip:prices/b.csv=b", ""},
		{"acme.zip", "readme.txt", "acme.zip:readme.txt=r", ""},
		{"[ap]*.*", "a.csv", "acme.zip:a.csv=a plain.csv=p", ""},
		{"acme.zip", "*.xml", "", `acme.zip: no member matches "*.xml"`},
		{"acme.zip", "[", "", "[: is not a pattern of member names: syntax error in pattern"},
		{"none.zip", "", "", "none.zip: there is no such file"},
		{"text", "", "text=PK", ""},
	} {
		t.Run(tt.pattern+" "+tt.members, func(t *testing.T) {
			names, contents, err := readMembers(Env{Dir: dir}, tt.pattern, tt.members)
			if text := errText(err); text != tt.wantErr {
				t.Fatalf("error is %q, want %q", text, tt.wantErr)
			}
			var got []string
			for i, name := range names {
				got = append(got, name+"="+contents[i])
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("got  %q\nwant %q", text, tt.want)
			}
		})
	}
	all, _, err := readMembers(Env{Dir: dir}, "acme.zip", "")
	if err != nil || len(all) != 6 {
		t.Errorf("without a pattern there are %q, %v", all, err)
	}
	// Documents of office programs are archives that nobody means as such.
	for _, name := range []string{"book.xlsx", "sheet.ods", "cut.xlsx"} {
		files, err := FindMembers(Env{Dir: dir}, name, "")
		if err != nil || len(files) != 1 || files[0].Name != name {
			t.Errorf("%s: found %+v, %v", name, files, err)
		}
	}
}

func TestMembersChangeWithTheirArchive(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zip")
	writeFile(t, path, zipOf(t, entry{"x.csv", "one", nil}))
	files, err := FindMembers(Env{Dir: dir, Names: map[string]string{path: "upload.zip"}}, path, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := files[0].CheckUnchanged(); err != nil {
		t.Error(err)
	}
	writeFile(t, path, zipOf(t, entry{"x.csv", "one and more", nil}))
	if got, want := errText(files[0].CheckUnchanged()), "upload.zip:x.csv: changed while it was read"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

// patched returns an archive whose directory says what a test wants at an
// offset of the entry of its first member (APPNOTE 4.3.12).
func patched(archive string, offset int, value uint32) string {
	b := []byte(archive)
	at := bytes.LastIndex(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[at+offset:], value)
	return string(b)
}

func TestArchivesThatAreRefused(t *testing.T) {
	text := strings.Repeat("a row of text, and another one\n", 1000)
	one := zipOf(t, entry{"x.csv", text, nil})
	many := make([]entry, MaxMembers+1)
	for i := range many {
		many[i].name = fmt.Sprintf("%d.csv", i)
	}
	const crcAt, packedAt, unpackedAt, offsetAt = 16, 20, 24, 42
	for _, tt := range []struct{ name, archive, want string }{
		{"cut off", one[:len(one)-40], "a.zip: the archive is cut off or damaged"},
		{"a member cut off", patched(one, packedAt, 20), "x.csv: the archive is cut off or damaged here"},
		{"a longer member than it says", patched(one, unpackedAt, 30), "x.csv: the archive is damaged here: the member is not as long as the directory says"},
		{"a shorter member than it says", patched(one, unpackedAt, uint32(len(text)+1)), "x.csv: the archive is damaged here: the member is not as long as the directory says"},
		{"another checksum", patched(one, crcAt, 1), "x.csv: the archive is damaged here: the member does not have the right checksum"},
		{"no checksum", patched(one, crcAt, 0), "the member does not have the right checksum"},
		{"a member elsewhere", patched(one, offsetAt, 7), "is not where the directory of the archive says"},
		{"a member larger than the file", patched(one, packedAt, 1<<20), "a.zip: the archive is refused: its members overlap"},
		{"a bomb by its own account", zipOf(t, entry{"x.csv", strings.Repeat("0", 8<<20), nil}), "decompression bomb"},
		{"a bomb that lies", patched(zipOf(t, entry{"x.csv", strings.Repeat("0", 8<<20), nil}), unpackedAt, 4096), "not as long as the directory says"},
		{"too many members", zipOf(t, many...), "a.zip: the archive has more than 2000 members"},
		{"a password", zipOf(t, entry{"x.csv", "x", func(h *zip.FileHeader) { h.Flags |= 1 }}), "x.csv: is protected with a password"},
		{"a link", zipOf(t, entry{"x.csv", "/etc/passwd", func(h *zip.FileHeader) { h.SetMode(os.ModeSymlink | 0o777) }}), "x.csv: is a link or a device"},
		{"an archive in it", zipOf(t, entry{"x.csv", one, nil}), "x.csv: is a zip file within an archive: refused"},
		{"gzip in it", zipOf(t, entry{"x.csv", pack(t, []byte(text)), nil}), "x.csv: is a gzip file within an archive: refused"},
		{"zstd in it", zipOf(t, entry{"x.csv", zstdOf(t, []byte(text)), nil}), "x.csv: is a zstd file within an archive: refused"},
		{"an empty member", zipOf(t, entry{"x.csv", "", nil}), "x.csv: the file is empty"},
		{"two of one name", zipOf(t, entry{"x.csv", "1", nil}, entry{"x.csv", "2", nil}), "x.csv: the archive has two members of this name"},
		{"no files", zipOf(t, entry{"folder/", "", nil}), "a.zip: there is no file in the archive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "a.zip"), tt.archive)
			_, contents, err := readMembers(Env{Dir: dir}, "a.zip", "")
			if !strings.Contains(errText(err), tt.want) || !strings.HasPrefix(errText(err), "a.zip:") {
				t.Errorf("read %d files, error is %v, want %q in it", len(contents), err, tt.want)
			}
		})
	}
}

// An archive that is cut anywhere is an error, and so is one with a changed
// byte, unless the byte says nothing about what is in the members.
func TestDamagedArchivesAreNeverReadShort(t *testing.T) {
	dir := t.TempDir()
	want := []string{strings.Repeat("first,row\n", 6), "second,row\n"}
	whole := zipOf(t, entry{"a.csv", want[0], nil}, entry{"b.csv", want[1], stored})
	path := filepath.Join(dir, "a.zip")
	for i := range len(whole) {
		writeFile(t, path, whole[:i])
		if _, contents, err := readMembers(Env{Dir: dir}, "a.zip", ""); err == nil && i >= 4 && cmp.Diff(want, contents) != "" {
			t.Fatalf("cut at %d it is read as %q", i, contents)
		}
		changed := []byte(whole)
		changed[i] ^= 0x41
		writeFile(t, path, string(changed))
		_, contents, err := readMembers(Env{Dir: dir}, "a.zip", "")
		for _, content := range contents {
			if err == nil && content != want[0] && content != want[1] && i >= 4 {
				t.Fatalf("with byte %d changed it is read as %q", i, content)
			}
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		zipOf(f, entry{"a.csv", "sku\n1\n", nil}, entry{"b/c.csv", strings.Repeat("x", 3000), stored}),
		zstdOf(f, []byte("sku\n1\n")), "\x1f\x8b\x08\x00",
	} {
		f.Add([]byte(seed), "*.csv")
	}
	f.Fuzz(func(t *testing.T, content []byte, pattern string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.zip"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := FindMembers(Env{Dir: dir}, "x.zip", pattern)
		if err != nil {
			return
		}
		for _, file := range files[:min(len(files), 20)] {
			open, err := file.Open()
			if err != nil {
				continue
			}
			_, _ = io.CopyN(io.Discard, open, 1<<20)
			if err := open.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOpenSeekable(t *testing.T) {
	text := numbered(150_000)
	packedTwice := zipOf(t, entry{"x", zipOf(t, entry{"[Content_Types].xml", text, stored}), stored})
	for _, tt := range []struct {
		name, content string
		most          int64
		want          string // of the content behind byte 11, or of the error
	}{
		{"plain", text, 0, text[11:]},
		{"gzip", pack(t, []byte(text)), 4 << 20, text[11:]},
		{"zstd", zstdOf(t, []byte(text)), 4 << 20, text[11:]},
		{"member", zipOf(t, entry{"x", text, nil}), 4 << 20, text[11:]},
		{"too large", zstdOf(t, []byte(text)), 1 << 20, "unpacks to more than 1 MiB"},
		{"damaged", pack(t, []byte(text))[:400], 4 << 20, "cut off or damaged"},
		{"a workbook in an archive", packedTwice, 4 << 20, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			path := filepath.Join(t.TempDir(), "x")
			writeFile(t, path, tt.content)
			files, err := FindMembers(Env{}, path, "")
			if err != nil {
				t.Fatal(err)
			}
			file, err := files[0].OpenSeekable(t.Context(), tt.most)
			if err != nil {
				if tt.want == text[11:] || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error is %v", err)
				}
			} else {
				got := make([]byte, len(tt.want))
				if _, err := file.ReadAt(got, 11); err != nil || string(got) != tt.want {
					t.Errorf("read %.20q, %v", got, err)
				}
				if err := file.Close(); err != nil {
					t.Error(err)
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("temporary files are left: %v, %v", left, err)
			}
		})
	}
}
