package jsonfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"

	"crossdock/connectors"
)

func TestCharsetOf(t *testing.T) {
	for _, tt := range []struct {
		head    string
		charset string
		mark    int
	}{
		{"", utf8Text, 0},
		{"{", utf8Text, 0},
		{"{\"", utf8Text, 0},
		{"\xEF\xBB\xBF{", utf8Text, 3},
		{"\xEF\xBB", utf8Text, 0},
		{"\xFF\xFE{\x00", utf16le, 2},
		{"\xFE\xFF\x00{", utf16be, 2},
		{"{\x00\"\x00", utf16le, 0},
		{"\x00{\x00\"", utf16be, 0},
		{"\xFF\xFE\x00\x00", "", 0}, // UTF-32, in four forms
		{"\x00\x00\xFE\xFF", "", 0},
		{"\x00\x00\x00{", "", 0},
	} {
		if charset, mark := charsetOf([]byte(tt.head)); charset != tt.charset || mark != tt.mark {
			t.Errorf("charsetOf(%q) = %q, %d, want %q, %d", tt.head, charset, mark, tt.charset, tt.mark)
		}
	}
}

func TestUTF16IsDecodedAsItCame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("ab{}\"é€𝄞😀")))).Draw(t, "text")
		if !utf8.ValidString(text) {
			return
		}
		for charset, order := range map[string]binary.AppendByteOrder{utf16le: binary.LittleEndian, utf16be: binary.BigEndian} {
			in := strings.NewReader(inUTF16(text, order))
			for _, r := range []io.Reader{in, iotest.OneByteReader(strings.NewReader(inUTF16(text, order)))} {
				got, err := io.ReadAll(newUTF16Reader(bufio.NewReader(r), charset))
				if err != nil || string(got) != text {
					t.Fatalf("%s: %q comes out as %q, %v", charset, text, got, err)
				}
			}
		}
	})
}

func TestHalfCharactersAreNotUTF8(t *testing.T) {
	for _, units := range [][]uint16{
		{0xD800}, {0xDC00}, {'a', 0xD800, 'b'}, {0xD800, 0xD800, 0xDC00}, {0xDC00, 0xD800}, {0xD83D, '"'},
	} {
		var b []byte
		for _, u := range units {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		got, err := io.ReadAll(newUTF16Reader(bufio.NewReader(bytes.NewReader(b)), utf16le))
		if err != nil || utf8.Valid(got) {
			t.Errorf("%x comes out as %q, %v", units, got, err)
		}
	}
	_, err := io.ReadAll(newUTF16Reader(bufio.NewReader(strings.NewReader("a\x00b")), utf16le))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a unit: %v", err)
	}
}

func TestOpenTextGoesOnFromAnOffset(t *testing.T) {
	const text = "{\"a\":\"ä€𝄞\"}\n{\"b\":1}\n"
	for name, content := range map[string]string{
		"plain": text, "marked": "\uFEFF" + text, "utf-16": inUTF16("\uFEFF"+text, binary.BigEndian),
		"packed": gzipped(t, text), "packed utf-16": gzipped(t, inUTF16(text, binary.LittleEndian)),
	} {
		dir := write(t, map[string]string{"x.json": content})
		files, err := connectors.FindFiles(connectors.Env{Dir: dir}, "x.json")
		if err != nil {
			t.Fatal(err)
		}
		for offset := 0; offset <= len(text); offset++ {
			in, err := openText(t.Context(), files[0], autoDetect, int64(offset))
			if err != nil {
				t.Fatalf("%s from %d: %v", name, offset, err)
			}
			got, err := io.ReadAll(in)
			if err != nil || string(got) != text[offset:] {
				t.Errorf("%s from %d: %q, %v", name, offset, got, err)
			}
			if err := in.file.Close(); err != nil {
				t.Error(err)
			}
		}
		if name == "plain" || name == "marked" {
			continue // a place behind the end is seen at the first reading
		}
		if _, err := openText(t.Context(), files[0], autoDetect, int64(len(text)+1)); err == nil {
			t.Errorf("%s: no error behind the end", name)
		}
	}
}

func TestEncodingIsTakenWhereThereIsNoMark(t *testing.T) {
	// One character alone tells nothing: 61 7B is "a{" or one of Chinese.
	dir := write(t, map[string]string{"x.json": inUTF16("\n\n[{\"a\":\"中\"}]", binary.BigEndian)})
	got, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.json", "encoding": "utf-16be"}))
	if err != nil || len(got) != 1 || got[0] != `x.json:$:1 a="中"` {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.json", "encoding": "utf-16le"})); err == nil {
		t.Error("the wrong encoding is no error")
	}
}
