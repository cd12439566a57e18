package fixedwidth

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"crossdock/connectors"
)

// A line is one line of a text, or several blank ones.
type line struct {
	text   []byte // without its end; valid until the next line is asked for
	number int64  // of its first, from 1
	blanks int    // how many lines it stands for where they are blank
	end    int64  // offset in the text behind it
	after  int64  // number of the line behind it
}

// lines yields the lines of a text from an offset on, but for its header and
// its footer, which is told by reading ahead.
type lines struct {
	in      *bufio.Reader
	most    int // bytes in a line
	header  int64
	footer  int
	place   connectors.Place // of the file
	offset  int64
	number  int64
	long    []byte // a line that is longer than the buffer of in
	ahead   []line // read and not yet delivered, oldest first
	inAhead int    // of them that are not blank
	eof     bool
}

func newLines(r io.Reader, offset, number int64, most, header, footer int, resource string) *lines {
	return &lines{
		in: bufio.NewReaderSize(r, 64<<10), offset: offset, number: number, most: most,
		header: int64(header), footer: footer,
		place: connectors.Place{Resource: resource},
	}
}

// next returns the next line, and io.EOF where only the footer is left.
func (l *lines) next(ctx context.Context) (line, error) {
	for l.number <= l.header {
		if _, err := l.read(ctx); err != nil {
			return line{}, err
		}
	}
	if l.footer == 0 {
		return l.read(ctx)
	}
	for !l.eof && l.inAhead <= l.footer {
		one, err := l.read(ctx)
		switch {
		case errors.Is(err, io.EOF):
			l.eof = true
		case err != nil:
			return line{}, err
		case one.blanks > 0 && len(l.ahead) > 0 && l.ahead[len(l.ahead)-1].blanks > 0:
			last := &l.ahead[len(l.ahead)-1] // so that many blank lines take no memory
			last.blanks, last.end, last.after = last.blanks+one.blanks, one.end, one.after
		default:
			one.text = bytes.Clone(one.text)
			l.ahead = append(l.ahead, one)
			if one.blanks == 0 {
				l.inAhead++
			}
		}
	}
	if l.inAhead <= l.footer {
		return line{}, io.EOF
	}
	one := l.ahead[0]
	l.ahead = l.ahead[1:]
	if one.blanks == 0 {
		l.inAhead--
	}
	return one, nil
}

// read returns the line that follows in the text.
func (l *lines) read(ctx context.Context) (line, error) {
	const often = 256
	if l.number%often == 0 {
		if err := ctx.Err(); err != nil {
			return line{}, err
		}
	}
	text, err := l.in.ReadSlice('\n')
	for l.long = l.long[:0]; errors.Is(err, bufio.ErrBufferFull) && len(l.long) <= l.most; {
		l.long = append(l.long, text...)
		text, err = l.in.ReadSlice('\n')
	}
	if len(l.long) > 0 {
		l.long = append(l.long, text...)
		text = l.long
	}
	switch {
	case len(text) > l.most:
		place := l.place
		place.Row = l.number
		return line{}, &connectors.Error{Place: place, Message: fmt.Sprintf("the line is longer than %d bytes", l.most), Hint: "has the file no line ends? Set max_line if its lines are that long"}
	case len(text) == 0 && errors.Is(err, io.EOF):
		return line{}, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		place := l.place
		place.Row = l.number
		return line{}, &connectors.Error{Place: place, Message: "cannot be read from this line on", Err: err}
	}
	one := line{number: l.number}
	l.offset += int64(len(text))
	l.number++
	one.end, one.after = l.offset, l.number
	one.text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	// Programs that come from DOS end their files with the character 1A.
	if len(bytes.Trim(one.text, " \t\v\f\r\x1a")) == 0 {
		one.blanks = 1
	}
	return one, nil
}
