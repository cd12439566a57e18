package journal

import (
	"context"
	"encoding/json"
	"fmt"
)

// A Shape is how rows of one file were read.
type Shape struct {
	Pipeline, Resource, Part string
	Whole                    bool // as that of Cells
	Names                    []string
}

// Shapes returns the shapes of the rows, in the order of the first row that
// each has. Of the rows of a file that are not whole, it is the widest.
func (j *Journal) Shapes(ctx context.Context, f ErrorFilter) ([]Shape, error) {
	where, args := f.where()
	rows, err := j.db.Read().QueryContext(ctx, `
		SELECT p.pipeline, p.resource, p.part, `+j.db.Part("p.cells", "whole")+` = 'true', `+j.db.Part("p.cells", "names")+`
		FROM parked_row p WHERE `+where+` ORDER BY p.id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type file struct{ pipeline, resource, part, names string }
	var shapes []Shape
	seen := map[file]int{} // where it stands in shapes
	for rows.Next() {
		var s Shape
		var names string
		if err := rows.Scan(&s.Pipeline, &s.Resource, &s.Part, &s.Whole, &names); err != nil {
			return nil, err
		}
		key := file{s.Pipeline, s.Resource, s.Part, names}
		if !s.Whole {
			key.names = ""
		}
		at, again := seen[key]
		if again && s.Whole {
			continue
		}
		if err := json.Unmarshal([]byte(names), &s.Names); err != nil {
			return nil, fmt.Errorf("parked row of %s: %w", s.Resource, err)
		}
		switch {
		case !again:
			seen[key] = len(shapes)
			shapes = append(shapes, s)
		case len(s.Names) > len(shapes[at].Names):
			shapes[at] = s
		}
	}
	return shapes, rows.Err()
}
