package connectors

import (
	"errors"
	"io"
	"path/filepath"
	"testing"
)

func TestWholeRunes(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "aä": "aä", "a\xc3": "a", "a\xe6\xbc": "a", "a\xf0\x9f\x99": "a", "漢\xe6": "漢", "\x80\x80\x80\x80\x80": "\x80\x80\x80\x80\x80", "a\xff": "a\xff",
	} {
		if got := string(WholeRunes([]byte(in))); got != want {
			t.Errorf("WholeRunes(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDetectCharset(t *testing.T) {
	for _, tt := range []struct{ name, sample, declared, want string }{
		{"ASCII", "sku", AutoEncoding, "utf-8"},
		{"UTF-8", "Größe", AutoEncoding, "utf-8"},
		{"UTF-8 cut in a letter", "Gr\xc3", AutoEncoding, "utf-8"},
		{"ANSI", "Gr\xf6\xdfe", AutoEncoding, "windows-1252"},
		{"UTF-16", "s\x00k\x00u\x00", AutoEncoding, "utf-16le"},
		{"UTF-16, the other way", "\x00s\x00k\x00u", AutoEncoding, "utf-16be"},
		{"a mark comes first", "\xff\xfes\x00", "windows-1252", "utf-16le"},
		{"as declared", "Gr\xf6\xdfe", "latin2", "iso-8859-2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := DetectCharset([]byte(tt.sample), tt.declared); got.Name != tt.want {
				t.Errorf("got %s, want %s", got.Name, tt.want)
			}
		})
	}
}

// However a text is stored, it is the same from an offset on.
func TestTextFrom(t *testing.T) {
	const want = "Größe 8 µm"
	for name, stored := range map[string]string{
		"plain": want, "marked": "\xef\xbb\xbf" + want, "packed": pack(t, []byte(want)), "ANSI": "Gr\xf6\xdfe 8 \xb5m",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			writeFile(t, path, stored)
			file := findOne(t, path)
			for _, offset := range []int64{0, 2, int64(len(want)), int64(len(want)) + 1} {
				open, err := file.Open()
				if err != nil {
					t.Fatal(err)
				}
				sample, err := io.ReadAll(open)
				_ = open.Close()
				if err != nil {
					t.Fatal(err)
				}
				if open, err = file.Open(); err != nil {
					t.Fatal(err)
				}
				text, err := DetectCharset(sample, AutoEncoding).TextFrom(t.Context(), open, file.Size, offset)
				if offset > int64(len(want)) {
					if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
						t.Errorf("behind the end the error is %v", err)
					}
				} else if got, readErr := io.ReadAll(text); err != nil || readErr != nil || string(got) != want[offset:] {
					t.Errorf("from %d on read %q, %v", offset, got, errors.Join(err, readErr))
				}
				_ = open.Close()
			}
		})
	}
}
