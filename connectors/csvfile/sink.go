package csvfile

import (
	"context"
	"encoding/csv"
	"io"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Format describes the files that the sink writes: UTF-8, cells cut by commas,
// a header, and an empty cell for a null.
func Format() connectors.Format {
	return connectors.Format{
		Name: "csv", Doc: "Text cut by commas, in UTF-8.", Extension: ".csv", MediaType: "text/csv; charset=utf-8; header=present",
		Create: create,
	}
}

type sink struct {
	out   *csv.Writer
	raw   bool
	cells []string
}

func create(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
	if l.Mark {
		if _, err := io.WriteString(w, "\uFEFF"); err != nil {
			return nil, err
		}
	}
	// Lines end by LF alone: the writer would put a CR before those within cells
	// as well, and thereby change them.
	s := &sink{out: csv.NewWriter(w), raw: l.Raw, cells: make([]string, len(l.Columns))}
	for i, c := range l.Columns {
		s.cells[i] = c.Name
	}
	return s, s.out.Write(s.cells)
}

// Write writes rows. None is refused.
func (s *sink) Write(ctx context.Context, b *schemas.Batch) ([]schemas.Rejection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	b.Each(func(row int) bool {
		for i := range s.cells {
			s.cells[i], _ = b.Text(i, row)
			if !s.raw {
				s.cells[i] = connectors.Neutral(s.cells[i])
			}
		}
		err = s.out.Write(s.cells)
		return err == nil
	})
	return nil, err
}

// Finish writes what is still in memory.
func (s *sink) Finish() error {
	s.out.Flush()
	return s.out.Error()
}

// Close has nothing to release.
func (s *sink) Close() error { return nil }
