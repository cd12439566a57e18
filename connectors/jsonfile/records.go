package jsonfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crossdock/connectors"
)

// A position is where reading goes on in a document: behind a record.
type position struct {
	spot
	records int64 // that lie before, blank lines not counted
}

// start is the beginning of a document.
func start() position { return position{spot: spot{line: 1, column: 1}} }

// A record is the text of one record, valid until the next is asked for.
type record struct {
	text  []byte
	row   int64 // its number: of its line, or among the elements of its array
	at    spot  // where it begins
	blank bool  // a line without record
	whole bool  // false: too long, and text only its beginning
	last  bool  // the file ends with it, without a line end
}

// records yields the records of a document in order.
type records struct {
	doc   *document
	text  *text
	s     *scanner
	count int64
	begun bool // the array has been entered
	ended bool
}

// open opens a document from a position on.
func (d *document) open(ctx context.Context, at position) (*records, error) {
	t, err := openText(ctx, d.file, d.encoding, at.offset)
	if err != nil {
		return nil, d.named(err)
	}
	return &records{
		doc: d, text: t, s: newScanner(t, d.file.Name, at.spot),
		count: at.records, begun: at.records > 0,
	}, nil
}

func (r *records) close() error { return r.text.file.Close() }

// position returns where reading goes on behind the last record.
func (r *records) position() position { return position{r.s.spot(), r.count} }

// next returns the next record, and io.EOF when the document has come to an
// end that is one. A document that is cut off or broken is an error.
func (r *records) next(ctx context.Context) (record, error) {
	if r.ended {
		return record{}, io.EOF
	}
	var rec record
	var err error
	switch r.doc.mode {
	case lines:
		rec, err = r.nextLine(ctx)
	case array:
		rec, err = r.nextElement(ctx)
	case one:
		rec, err = r.whole(ctx)
	}
	if errors.Is(err, io.EOF) {
		r.ended = true
	}
	return rec, err
}

func (r *records) nextLine(ctx context.Context) (record, error) {
	rec := record{at: r.s.spot()}
	rec.row = rec.at.line
	text, whole, ended, err := r.s.row(ctx, maxRecord)
	if err != nil {
		return rec, err
	}
	rec.text, rec.whole, rec.last = text, whole, !ended
	rec.blank = whole && len(bytes.TrimSpace(text)) == 0
	if !rec.blank {
		r.count++
	}
	return rec, nil
}

// nextElement returns the next element of the array.
func (r *records) nextElement(ctx context.Context) (record, error) {
	first := !r.begun
	if first {
		if err := r.enter(ctx); err != nil {
			return record{}, err
		}
		r.begun = true
	}
	c, err := r.s.peek(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return record{}, r.s.cutOff("the array " + r.doc.path.String())
	case err != nil:
		return record{}, err
	case c == ']':
		r.s.pos++
		if err := r.leave(ctx); err != nil {
			return record{}, err
		}
		return record{}, io.EOF
	case !first && c != ',':
		return record{}, r.s.unexpected("',' or ']'")
	case !first:
		r.s.pos++
		if c, err = r.s.peek(ctx); err == nil && c == ']' {
			return record{}, r.s.unexpected("a record")
		}
	}
	return r.take(ctx)
}

// whole returns the document as its one record.
func (r *records) whole(ctx context.Context) (record, error) {
	if r.begun {
		if err := r.s.atEnd(ctx); err != nil {
			return record{}, err
		}
		return record{}, io.EOF
	}
	r.begun = true
	return r.take(ctx)
}

// take takes the value here as a record.
func (r *records) take(ctx context.Context) (record, error) {
	if _, err := r.s.peek(ctx); err != nil && !errors.Is(err, io.EOF) {
		return record{}, err
	}
	rec := record{at: r.s.spot()}
	var err error
	if rec.text, rec.whole, err = r.s.value(ctx, maxRecord); err != nil {
		return rec, err
	}
	r.count++
	rec.row = r.count
	return rec, nil
}

// enter goes down the path to the array.
func (r *records) enter(ctx context.Context) error {
	for depth, want := range r.doc.path.members {
		if c, err := r.s.peek(ctx); err == nil && c != '{' {
			return r.misled(ctx, depth, "is no object")
		}
		errFound := errors.New("found") // ends the search within the object
		err := r.s.members(ctx, func(name string) error {
			if name == want {
				return errFound
			}
			_, _, err := r.s.value(ctx, 0)
			return err
		})
		if err == nil {
			return r.misled(ctx, depth, "has no member "+want)
		}
		if !errors.Is(err, errFound) {
			return err
		}
	}
	if c, err := r.s.peek(ctx); err == nil && c != '[' {
		return r.misled(ctx, len(r.doc.path.members), "is no array")
	}
	return r.s.take(ctx, '[', "the document")
}

// misled is the error for a path that leads nowhere; it lists those that do.
func (r *records) misled(ctx context.Context, depth int, what string) error {
	at := pathTo(r.doc.path.members[:depth])
	hint := "there is no array of objects in the document"
	t, err := openText(ctx, r.doc.file, r.doc.encoding, 0)
	if err != nil {
		return r.doc.named(err)
	}
	defer t.file.Close() // a file that was only read loses nothing
	var found []string
	if err := newScanner(t, r.doc.file.Name, start().spot).survey(ctx, nil, &found); err != nil {
		return err
	}
	if len(found) > 0 {
		hint = "set records to " + strings.Join(found, ", or to ")
	}
	return r.doc.errorf(hint, "records is %s, but %s %s", r.doc.path, at, what)
}

// leave goes up the path to the end of the document, which proves that it is
// whole and that the array stands in it once.
func (r *records) leave(ctx context.Context) error {
	members := r.doc.path.members
	for depth := range slices.Backward(members) {
		for {
			last, err := r.s.lastMember(ctx)
			if err != nil {
				return err
			}
			if last {
				break
			}
			name, err := r.s.memberName(ctx)
			if err != nil {
				return err
			}
			if name == members[depth] {
				return r.s.errorAt(fmt.Sprintf("%s stands twice in the document", pathTo(members[:depth+1])), "records of one of them would be lost", nil)
			}
			if _, _, err := r.s.value(ctx, 0); err != nil {
				return err
			}
		}
	}
	return r.s.atEnd(ctx)
}

// broken returns an error where a fault is not that of the record alone: what
// follows broken syntax in an array cannot be trusted, and a last line without
// end that stops too soon says that the file was cut off.
func (r *records) broken(rec record, f *fault) error {
	switch {
	case f.rule != malformed:
		return nil
	case r.doc.mode == lines && rec.last && f.at == len(rec.text):
		return r.s.cutOff("a record")
	case r.doc.mode == lines:
		return nil
	}
	line, column := advance(rec.at.line, rec.at.column, rec.text[:f.at])
	at := spot{line: line, column: column}
	return &connectors.Error{
		Place:   at.place(r.doc.file.Name),
		Message: f.message,
		Hint:    "the file is not JSON from here on: have it written again",
	}
}
