package csvfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"crossdock/connectors"
)

// A charset says how bytes become text.
type charset struct {
	name     string
	encoding encoding.Encoding // nil: the bytes are UTF-8 as they are
	bom      int               // bytes of a byte order mark
}

func charsetOf(name string, bom int) charset {
	c := charset{name: name, bom: bom}
	if name != "utf-8" {
		// Validate has found the name; without it UTF-8 remains.
		c.encoding, _ = htmlindex.Get(name)
		if canonical, err := htmlindex.Name(c.encoding); err == nil {
			c.name = canonical
		}
	}
	if c.name == "utf-8" {
		c.encoding = nil
	}
	return c
}

// reader turns bytes from behind the byte order mark into UTF-8.
func (c charset) reader(r io.Reader) io.Reader {
	if c.encoding == nil {
		return r
	}
	return c.encoding.NewDecoder().Reader(r)
}

// text decodes a sample; faults become U+FFFD.
func (c charset) text(sample []byte) []byte {
	sample = sample[c.bom:]
	if c.encoding == nil {
		return sample
	}
	decoded, err := c.encoding.NewDecoder().Bytes(sample)
	if err != nil {
		return sample
	}
	return decoded
}

// detectCharset tells how the text is encoded: by its byte order mark, else as
// declared, else by its bytes.
func detectCharset(sample []byte, declared string) charset {
	switch {
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		return charsetOf("utf-8", 3)
	case bytes.HasPrefix(sample, []byte("\xff\xfe")):
		return charsetOf("utf-16le", 2)
	case bytes.HasPrefix(sample, []byte("\xfe\xff")):
		return charsetOf("utf-16be", 2)
	case declared != auto:
		return charsetOf(declared, 0)
	}
	if name := wideCharset(sample); name != "" {
		return charsetOf(name, 0)
	}
	good, bad := countRunes(wholeRunes(sample))
	// A few bad cells in a file that is UTF-8 elsewhere are for their rows to
	// answer for. Text in windows-1252 hardly ever holds what is a rune in UTF-8.
	if bad > good {
		return charsetOf("windows-1252", 0)
	}
	return charsetOf("utf-8", 0)
}

// wideCharset recognises UTF-16 without a byte order mark by the zero byte
// that most letters have, on the one side or on the other.
func wideCharset(sample []byte) string {
	pairs := len(sample) / 2
	if pairs == 0 {
		return ""
	}
	var zeros [2]int
	for i, b := range sample[:2*pairs] {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case 2*zeros[1] > pairs && 20*zeros[0] < pairs:
		return "utf-16le"
	case 2*zeros[0] > pairs && 20*zeros[1] < pairs:
		return "utf-16be"
	}
	return ""
}

// countRunes counts the runes beyond ASCII and the places with bytes that
// belong to none.
func countRunes(text []byte) (good, bad int) {
	inBad := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		wrong := r == utf8.RuneError && size == 1
		switch {
		case wrong && !inBad:
			bad++
		case size > 1:
			good++
		}
		inBad = wrong
		text = text[size:]
	}
	return good, bad
}

// kindsOfFiles are beginnings by which a file is known to be no delimited
// text, what it is, and what to do.
func kindsOfFiles() []struct{ magic, kind, hint string } {
	const convert = "save it as CSV"
	return []struct{ magic, kind, hint string }{
		{"PK\x03\x04", "a ZIP archive that is damaged or too large", "was it fully written? Copy it again"},
		{"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as .xlsx and use connector excel"},
		{"%PDF", "a PDF document", "ask for the data as CSV or Excel"},
		{"\x89PNG", "a PNG image", ""},
		{"\xff\xd8\xff", "a JPEG image", ""},
		{"GIF8", "a GIF image", ""},
		{"BZh9", "a bzip2 archive", "pack it with gzip, zstd or as ZIP"},
		{"\xfd7zXZ", "an xz archive", "pack it with gzip, zstd or as ZIP"},
		{"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"},
		{"Rar!", "a RAR archive", "unpack it first"},
		{"SQLite format 3", "an SQLite database", convert},
		{"PAR1", "a Parquet file", convert},
		{"\xff\xfe\x00\x00", "text in UTF-32", "save it as UTF-8"},
		{"\x00\x00\xfe\xff", "text in UTF-32", "save it as UTF-8"},
	}
}

// notDelimited returns an error for a file that is something else than
// delimited text, which some programs name .csv all the same.
func notDelimited(name string, sample []byte) error {
	refuse := func(message, hint string) error {
		return &connectors.Error{Place: connectors.Place{Resource: name}, Message: message, Hint: hint}
	}
	for _, k := range kindsOfFiles() {
		if !bytes.HasPrefix(sample, []byte(k.magic)) {
			continue
		}
		kind, hint := k.kind, k.hint
		if strings.HasPrefix(k.magic, "PK") && (bytes.Contains(sample, []byte("xl/")) || bytes.Contains(sample, []byte("[Content_Types].xml"))) {
			kind, hint = "an Excel workbook (.xlsx)", "use connector excel"
		}
		return refuse("is not a text file: it looks like "+kind, hint)
	}
	start := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(sample[:min(len(sample), 512)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	for _, k := range []struct{ start, kind, hint string }{
		{"<!doctype html", "an HTML page", "was a sign-in or error page saved in place of the file?"},
		{"<html", "an HTML page", "was a sign-in or error page saved in place of the file?"},
		{"<?xml", "an XML document", ""},
		{`{"`, "JSON", "use connector json"},
		{`[{`, "JSON", "use connector json"},
	} {
		if bytes.HasPrefix(start, []byte(k.start)) {
			return refuse("is not delimited text: it looks like "+k.kind, k.hint)
		}
	}
	return nil
}

// controls returns an error for text with many control characters, which no
// delimited text has. Those of the delimiter do not count.
func controls(name string, text []byte, f format) error {
	count := 0
	for _, b := range text {
		if b < ' ' && !strings.ContainsRune("\t\n\v\f\r", rune(b)) && strings.IndexByte(f.delimiter+f.recordEnd, b) < 0 {
			count++
		}
	}
	if count <= 8 || count*10 < len(text) {
		return nil
	}
	return &connectors.Error{
		Place:   connectors.Place{Resource: name},
		Message: fmt.Sprintf("is not a text file: %d of its first %d characters are control characters", count, len(text)),
		Hint:    "name the delimiter if it is one of them",
	}
}
