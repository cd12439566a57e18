package jsonfile

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"crossdock/connectors"
)

// The encodings of JSON files: RFC 8259 allows UTF-8 alone, and Windows
// programs write UTF-16 nevertheless.
const (
	autoDetect = "auto"
	utf8Text   = "utf-8"
	utf16le    = "utf-16le"
	utf16be    = "utf-16be"
)

// A text is a file as UTF-8 without byte order mark. What cannot be decoded
// comes out as bytes that are not UTF-8, so that the record it stands in is
// refused, and not changed silently.
type text struct {
	io.Reader
	file    *connectors.OpenFile
	charset string
}

// openText opens a file from an offset in its text on.
func openText(ctx context.Context, file connectors.File, encoding string, offset int64) (*text, error) {
	open, err := file.Open()
	if err != nil {
		return nil, err
	}
	t := &text{file: open}
	if err := t.decode(ctx, encoding, offset); err != nil {
		_ = open.Close()
		if ctx.Err() != nil {
			return nil, err
		}
		if _, ok := errors.AsType[*connectors.Error](err); ok {
			return nil, err
		}
		return nil, &connectors.Error{Place: connectors.Place{Resource: file.Name}, Message: "cannot be read", Err: err}
	}
	return t, nil
}

func (t *text) decode(ctx context.Context, encoding string, offset int64) error {
	in := bufio.NewReaderSize(t.file, 64<<10)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	charset, mark := charsetOf(head)
	switch {
	case charset == "":
		return &connectors.Error{Message: "is UTF-32", Hint: "save the file as UTF-8"}
	case mark == 0 && encoding != autoDetect:
		charset = encoding
	}
	t.charset = charset
	if charset == utf8Text && !t.file.Packed {
		if err := t.file.SkipTo(int64(mark) + offset); err != nil {
			return err
		}
		t.Reader = t.file.Reader
		return nil
	}
	if _, err := in.Discard(mark); err != nil {
		return err
	}
	t.Reader = in
	if charset != utf8Text {
		t.Reader = newUTF16Reader(in, charset)
	}
	return discard(ctx, t.Reader, offset)
}

// charsetOf tells the encoding from the first bytes and how many of them are
// the byte order mark. Without one, the zeros do: the first two characters of
// a JSON text are always ASCII (RFC 4627, section 3).
func charsetOf(head []byte) (charset string, mark int) {
	b := append(append(make([]byte, 0, 8), head...), 0x20, 0x20, 0x20, 0x20)
	switch {
	case b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF:
		return utf8Text, 3
	case b[0] == 0xFF && b[1] == 0xFE && b[2] == 0 && b[3] == 0, b[0] == 0 && b[1] == 0:
		return "", 0
	case b[0] == 0xFF && b[1] == 0xFE:
		return utf16le, 2
	case b[0] == 0xFE && b[1] == 0xFF:
		return utf16be, 2
	case b[0] == 0:
		return utf16be, 0
	case b[1] == 0:
		return utf16le, 0
	}
	return utf8Text, 0
}

// discard reads n bytes of a text that cannot be sought.
func discard(ctx context.Context, r io.Reader, n int64) error {
	const step = 1 << 20
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		skipped, err := io.CopyN(io.Discard, r, min(n, step))
		n -= skipped
		if err != nil {
			return fmt.Errorf("ends before the place where reading stopped: %w", err)
		}
	}
	return nil
}

// A utf16Reader decodes UTF-16 into UTF-8. A surrogate without its other half
// becomes the three bytes that encode it, which are not UTF-8.
type utf16Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	out   []byte // decoded and not yet read
	high  rune   // a first half that waits for its second, or 0
}

func newUTF16Reader(in *bufio.Reader, charset string) *utf16Reader {
	r := &utf16Reader{in: in, order: binary.LittleEndian}
	if charset == utf16be {
		r.order = binary.BigEndian
	}
	return r
}

func (r *utf16Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if err := r.decode(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *utf16Reader) decode() error {
	const block = 4096
	in, err := r.in.Peek(2)
	switch {
	case len(in) == 1:
		return fmt.Errorf("the text ends in the middle of a character: %w", io.ErrUnexpectedEOF)
	case len(in) == 0 && r.high != 0:
		r.out, r.high = appendSurrogate(r.out[:0], r.high), 0
		return nil
	case len(in) == 0:
		return err
	}
	in, _ = r.in.Peek(min(block, r.in.Buffered()&^1))
	r.out = r.out[:0]
	for i := 0; i < len(in); i += 2 {
		c := rune(r.order.Uint16(in[i:]))
		if r.high != 0 {
			if pair := utf16.DecodeRune(r.high, c); pair != '\uFFFD' {
				r.out = append(r.out, string(pair)...)
				r.high = 0
				continue
			}
			r.out, r.high = appendSurrogate(r.out, r.high), 0
		}
		switch {
		case c >= 0xD800 && c < 0xDC00:
			r.high = c
		case c >= 0xDC00 && c < 0xE000:
			r.out = appendSurrogate(r.out, c)
		default:
			r.out = append(r.out, string(c)...)
		}
	}
	_, err = r.in.Discard(len(in))
	return err
}

func appendSurrogate(b []byte, c rune) []byte {
	return append(b, 0xE0|byte(c>>12), 0x80|byte(c>>6)&0xBF, 0x80|byte(c)&0x3F)
}
