package connectors

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"crossdock/schemas"
)

// AutoEncoding is the setting by which the encoding of a text is found out.
const AutoEncoding = "auto"

// A Charset says how the bytes of a file become text.
type Charset struct {
	Name     string
	Mark     int               // bytes of a byte order mark
	encoding encoding.Encoding // nil: the bytes are UTF-8 as they are
}

// EncodingFault says what is wrong with the name of an encoding, or "".
func EncodingFault(name string) string {
	if _, err := htmlindex.Get(name); err == nil || name == AutoEncoding {
		return ""
	}
	common := []string{AutoEncoding, "utf-8", "utf-16le", "utf-16be", "windows-1252", "windows-1250", "windows-1251", "iso-8859-1", "iso-8859-2", "iso-8859-15", "macintosh", "shift_jis", "gbk", "big5", "euc-kr"}
	return fmt.Sprintf("%s is not known%s", schemas.QuoteShort(name), schemas.DidYouMean(name, common))
}

// CharsetNamed returns the encoding with a name in which EncodingFault finds
// nothing wrong, behind a byte order mark of so many bytes.
func CharsetNamed(name string, mark int) Charset {
	c := Charset{Name: name, Mark: mark}
	if name != "utf-8" {
		// Validate has found the name; without it UTF-8 remains.
		c.encoding, _ = htmlindex.Get(name)
		if canonical, err := htmlindex.Name(c.encoding); err == nil {
			c.Name = canonical
		}
	}
	if c.Name == "utf-8" {
		c.encoding = nil
	}
	return c
}

// Decodes reports whether bytes are changed to become text. Those that the
// encoding does not have then become U+FFFD.
func (c Charset) Decodes() bool { return c.encoding != nil }

// Undecoded returns a charset that leaves bytes as they are.
func (c Charset) Undecoded() Charset { return Charset{Name: c.Name, Mark: c.Mark} }

// Reader turns bytes from behind the byte order mark into UTF-8.
func (c Charset) Reader(r io.Reader) io.Reader {
	if c.encoding == nil {
		return r
	}
	return c.encoding.NewDecoder().Reader(r)
}

// Text decodes bytes from behind the byte order mark.
func (c Charset) Text(b []byte) []byte {
	if c.encoding == nil {
		return b
	}
	decoded, err := c.encoding.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return decoded
}

// TextFrom returns the text of a file of so many bytes from an offset on, which
// is counted in the text and without byte order mark. Only plain UTF-8 can be
// sought; text that is unpacked or decoded is read up to there again.
func (c Charset) TextFrom(ctx context.Context, file *OpenFile, size, offset int64) (io.Reader, error) {
	mark := int64(c.Mark)
	if !file.Packed && c.encoding == nil {
		if mark+offset > size {
			return nil, io.ErrUnexpectedEOF
		}
		return file, file.SkipTo(mark + offset)
	}
	if err := skip(ctx, file, mark); err != nil {
		return nil, err
	}
	text := c.Reader(file)
	return text, skip(ctx, text, offset)
}

func skip(ctx context.Context, r io.Reader, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		skipped, err := io.CopyN(io.Discard, r, min(n, 1<<20))
		if err != nil {
			return fmt.Errorf("%d bytes before that place: %w", n-skipped, err)
		}
		n -= skipped
	}
	return nil
}

// DetectCharset tells how a text is encoded by its beginning: by a byte order
// mark, else as declared, else by its bytes.
func DetectCharset(sample []byte, declared string) Charset {
	switch {
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		return CharsetNamed("utf-8", 3)
	case bytes.HasPrefix(sample, []byte("\xff\xfe")):
		return CharsetNamed("utf-16le", 2)
	case bytes.HasPrefix(sample, []byte("\xfe\xff")):
		return CharsetNamed("utf-16be", 2)
	case declared != AutoEncoding:
		return CharsetNamed(declared, 0)
	}
	if name := wideCharset(sample); name != "" {
		return CharsetNamed(name, 0)
	}
	good, bad := countRunes(WholeRunes(sample))
	// A few bad cells in a file that is UTF-8 elsewhere are for their rows to
	// answer for. Text in windows-1252 hardly ever holds what is a rune in UTF-8.
	if bad > good {
		return CharsetNamed("windows-1252", 0)
	}
	return CharsetNamed("utf-8", 0)
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

// WholeRunes cuts off a rune of which the end has not been read.
func WholeRunes(text []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(text)); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}
