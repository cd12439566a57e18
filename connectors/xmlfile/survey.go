package xmlfile

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crossdock/schemas"
)

// A kind of element is one path at which elements stand.
type elementKind struct {
	path    string
	count   int
	depth   int
	parents bool // there are elements in them
}

// noRecords is the error for a path that leads nowhere; it lists those that
// may have been meant.
func (d *document) noRecords(ctx context.Context) error {
	kinds, err := d.survey(ctx)
	if err != nil {
		return err
	}
	const shown = 4
	kinds = slices.DeleteFunc(kinds, func(k elementKind) bool { return !k.parents })
	slices.SortStableFunc(kinds, func(a, b elementKind) int {
		if a.count == 1 && b.count == 1 { // a document of one record has it far down
			return -cmp.Compare(a.depth, b.depth)
		}
		return cmp.Or(-cmp.Compare(min(a.count, 2), min(b.count, 2)), cmp.Compare(a.depth, b.depth), -cmp.Compare(a.count, b.count))
	})
	var names []string
	for _, k := range kinds[:min(len(kinds), shown)] {
		times := "once"
		if k.count > 1 {
			times = fmt.Sprintf("%d times", k.count)
		}
		names = append(names, k.path+" ("+times+")")
	}
	hint := "there are no elements with others in them"
	if len(names) > 0 {
		hint = "there are " + strings.Join(names, ", ")
	}
	return d.errorf(0, hint, "record is %s, but no such element is in the file", schemas.QuoteShort(d.cfg.Record))
}

// survey counts the elements of a document by their paths, as many of which
// are told apart as fit into a small memory.
func (d *document) survey(ctx context.Context) ([]elementKind, error) {
	const most = 1000
	r, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close() // a file that was only read loses nothing
	var kinds []elementKind
	at := map[string]int{}
	open := []string{""}
	for {
		token, err := r.token(ctx)
		switch token := token.(type) {
		case xml.StartElement:
			parent := open[len(open)-1]
			if i, known := at[parent]; known {
				kinds[i].parents = true
			}
			path := parent + "/" + token.Name.Local
			open = append(open, path)
			if _, known := at[path]; !known && len(kinds) < most && len(open) < maxDepth {
				at[path] = len(kinds)
				kinds = append(kinds, elementKind{path: path, depth: len(open)})
			}
			if i, known := at[path]; known {
				kinds[i].count++
			}
			r.rooted = true
		case xml.EndElement:
			open = open[:len(open)-1]
		}
		if errors.Is(err, io.EOF) {
			return kinds, nil
		}
		if err != nil {
			return nil, err
		}
		if len(open) > maxDepth {
			return nil, d.errorf(r.line, "", "elements are nested more than %d deep", maxDepth)
		}
	}
}
