package jsonfile

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Formats describes the files that the sink writes: one array of objects, or
// an object on each line. Amounts and quantities are texts, which no reader
// can round; languages and members are objects of their own, name.de being
// {"name":{"de":...}}.
func Formats() []connectors.Format {
	return []connectors.Format{
		{
			Name: "json", Doc: "One JSON array of objects.", Extension: ".json", MediaType: "application/json",
			Create: func(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
				return newSink(w, l, "[\n", ",\n", "\n]\n"), nil
			},
		},
		{
			Name: "ndjson", Doc: "A JSON object on each line.", Extension: ".ndjson", MediaType: "application/x-ndjson",
			Create: func(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
				return newSink(w, l, "", "\n", "\n"), nil
			},
		},
	}
}

type sink struct {
	out                      *bufio.Writer
	opening, between, ending string
	fields                   []output
	rows                     int64
	object                   []byte // being written
}

// An output is one member of an object, or one object in it.
type output struct {
	name    []byte // quoted, with its colon
	columns []int
	members [][]byte // as name, by column; nil for a single value
}

func newSink(w io.Writer, l connectors.Layout, opening, between, ending string) *sink {
	s := &sink{out: bufio.NewWriterSize(w, 64<<10), opening: opening, between: between, ending: ending}
	at := map[string]int{} // objects by the name of their field
	for i, c := range l.Columns {
		if c.Sub == "" {
			s.fields = append(s.fields, output{name: quotedName(c.Name), columns: []int{i}})
			continue
		}
		known, ok := at[c.Field.Name]
		if !ok {
			known = len(s.fields)
			at[c.Field.Name] = known
			s.fields = append(s.fields, output{name: quotedName(c.Field.Name)})
		}
		s.fields[known].columns = append(s.fields[known].columns, i)
		s.fields[known].members = append(s.fields[known].members, quotedName(c.Sub))
	}
	return s
}

func quotedName(name string) []byte { return append(appendString(nil, name), ':') }

// Write writes rows. None is refused.
func (s *sink) Write(ctx context.Context, b *schemas.Batch) ([]schemas.Rejection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	b.Each(func(row int) bool {
		before := s.between
		if s.rows == 0 {
			before = s.opening
		}
		s.rows++
		s.object = append(s.object[:0], before...)
		s.appendRow(b, row)
		_, err = s.out.Write(s.object)
		return err == nil
	})
	return nil, err
}

func (s *sink) appendRow(b *schemas.Batch, row int) {
	s.object = append(s.object, '{')
	first := true
	begin := func(name []byte) {
		if !first {
			s.object = append(s.object, ',')
		}
		first = false
		s.object = append(s.object, name...)
	}
	for i := range s.fields {
		f := &s.fields[i]
		if f.members == nil {
			if c := f.columns[0]; !b.IsAbsent(c, row) {
				begin(f.name)
				s.appendValue(b, c, row)
			}
			continue
		}
		if b.IsAbsent(f.columns[0], row) {
			continue
		}
		begin(f.name)
		s.object = append(s.object, '{')
		for m, c := range f.columns {
			if m > 0 {
				s.object = append(s.object, ',')
			}
			s.object = append(s.object, f.members[m]...)
			s.appendValue(b, c, row)
		}
		s.object = append(s.object, '}')
	}
	s.object = append(s.object, '}')
}

func (s *sink) appendValue(b *schemas.Batch, column, row int) {
	text, ok := b.Text(column, row)
	if !ok {
		s.object = append(s.object, "null"...)
		return
	}
	switch t := b.Columns[column].Field.Type; t {
	case schemas.Integer, schemas.Boolean:
		s.object = append(s.object, text...)
		return
	case schemas.List, schemas.JSON:
		if b.Columns[column].Sub == "" && json.Valid([]byte(text)) {
			s.object = append(s.object, text...)
			return
		}
	default: // amounts and quantities as well
	}
	s.object = appendString(s.object, text)
}

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// Finish ends the document.
func (s *sink) Finish() error {
	ending := s.ending
	if s.rows == 0 && s.opening != "" {
		ending = "[]\n"
	} else if s.rows == 0 {
		ending = ""
	}
	if _, err := s.out.WriteString(ending); err != nil {
		return err
	}
	return s.out.Flush()
}

// Close has nothing to release.
func (s *sink) Close() error { return nil }
