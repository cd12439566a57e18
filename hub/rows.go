package hub

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"crossdock/connectors"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// A RowsExport says which rows of an entity to write, and how.
type RowsExport struct {
	Entity string
	Format string
	// Fields are the fields or columns to write beside the key, in this order; a
	// localised or open field stands for all of its columns. Nil: all fields.
	Fields []string
	// Since is the cursor of an export before, behind which only what has
	// changed or was deleted is written, with a column that tells deletions.
	Since string
	Mark  bool // a byte order mark before text
	Raw   bool // text as it is, also where a spreadsheet takes it for a formula
}

// Exported is what an export has written.
type Exported struct {
	Entity  string `json:"entity"`
	Format  string `json:"format"`
	Rows    int64  `json:"rows"`
	Deleted int64  `json:"deleted"` // of them: rows that say what was deleted
	Cursor  string `json:"cursor"`  // for the next export, behind this one
}

// An ExportFault says which part of an export's description is wrong.
type ExportFault struct {
	Part    string // entity, format, fields or since
	Message string
}

// Error returns part and message.
func (f *ExportFault) Error() string { return f.Part + ": " + f.Message }

// ErrCursorGone tells that a cursor is too old to go on from.
var ErrCursorGone = errors.New("is too old a cursor: what was deleted since is no longer known; export all rows, without a cursor")

// Format returns the format of the name given, or an ExportFault.
func (h *Hub) Format(name string) (connectors.Format, error) {
	names := make([]string, len(h.Formats))
	for i, f := range h.Formats {
		if f.Name == name {
			return f, nil
		}
		names[i] = f.Name
	}
	return connectors.Format{}, &ExportFault{"format", fmt.Sprintf("%s is none of %s%s", schemas.QuoteShort(name), strings.Join(names, ", "), schemas.DidYouMean(name, names))}
}

// ExportRows writes the rows of an entity, all of one moment, in the order of
// their keys. What w holds is whole only where there is no error.
func (h *Hub) ExportRows(ctx context.Context, w io.Writer, x RowsExport) (Exported, error) {
	e := &rowsExport{RowsExport: x, out: bufio.NewWriterSize(w, 256<<10)}
	var err error
	if e.entity, err = h.Registry.Entity(x.Entity); err != nil {
		return Exported{}, &ExportFault{"entity", err.Error()}
	}
	if e.format, err = h.Format(x.Format); err != nil {
		return Exported{}, err
	}
	target := h.Targets[e.entity.Service]
	if target == nil {
		return Exported{}, fmt.Errorf("no service %s is open here, which owns %s", e.entity.Service, e.entity.Plural)
	}
	request := schemas.RowsRequest{Entity: e.entity.Name, Columns: x.Fields}
	if err := e.checkFields(); err != nil {
		return Exported{}, err
	}
	if request.After, err = parseExportCursor(e.entity.Name, x.Since); err != nil {
		return Exported{}, err
	}
	done, err := e.run(ctx, target, request)
	switch p, ok := errors.AsType[web.Problem](err); {
	case errors.Is(err, schemas.ErrHistoryGone):
		return Exported{}, fmt.Errorf("%s: %w", x.Since, ErrCursorGone)
	case ok:
		// A cursor is all of the request that only the service can judge.
		if message, place := p.Problem(); place == "after" {
			return Exported{}, &ExportFault{"since", message}
		}
	}
	return done, err
}

// A rowsExport is an export on its way.
type rowsExport struct {
	RowsExport
	entity *schemas.Entity
	format connectors.Format
	out    *bufio.Writer

	sink    connectors.Sink // nil before the columns are known
	columns []schemas.Column
	done    Exported
}

func (e *rowsExport) run(ctx context.Context, target Target, request schemas.RowsRequest) (_ Exported, err error) {
	defer func() {
		if e.sink != nil {
			err = errors.Join(err, e.sink.Close())
		}
	}()
	next, err := target.Rows(ctx, request, func(b *schemas.Batch) error { return e.write(ctx, b) })
	if err != nil {
		return Exported{}, err
	}
	if e.sink == nil { // there are no rows: the file has columns all the same
		if err := e.begin(nil); err != nil {
			return Exported{}, err
		}
	}
	if err := e.sink.Finish(); err != nil {
		return Exported{}, err
	}
	e.done.Entity, e.done.Format, e.done.Cursor = e.entity.Name, e.format.Name, exportCursor(e.entity.Name, next)
	return e.done, e.out.Flush()
}

// checkFields refuses fields that the entity does not have.
func (e *rowsExport) checkFields() error {
	for i, name := range e.Fields {
		if f := e.entity.Field(name); f == nil || name == schemas.DeletedField {
			if _, err := e.entity.Column(name); err != nil {
				return &ExportFault{"fields", err.Error()}
			}
		}
		if name == schemas.DeletedField {
			return &ExportFault{"fields", name + " is added by itself to an export of what has changed"}
		}
		if slices.Contains(e.Fields[:i], name) {
			return &ExportFault{"fields", name + " is named twice"}
		}
	}
	return nil
}

// begin creates the file. Its columns are those of the first rows; where only
// deletions are left, or nothing, those that can be told without rows.
func (e *rowsExport) begin(first []schemas.Column) error {
	if first == nil || slices.ContainsFunc(first, func(c schemas.Column) bool { return c.Name == schemas.DeletedField }) {
		first = e.plainColumns()
	}
	e.columns = slices.Clone(first)
	if e.Fields != nil {
		slices.SortStableFunc(e.columns, func(a, b schemas.Column) int { return e.rank(a) - e.rank(b) })
	}
	if e.Since != "" {
		if deleted, err := e.entity.Column(schemas.DeletedField); err == nil {
			e.columns = append(e.columns, deleted)
		}
	}
	var err error
	e.sink, err = e.format.Create(e.out, connectors.Layout{Entity: e.entity, Columns: e.columns, Mark: e.Mark, Raw: e.Raw})
	return err
}

// rank returns where a column stands among those asked for; keys that nobody
// asked for stand before them.
func (e *rowsExport) rank(c schemas.Column) int {
	if at := slices.Index(e.Fields, c.Name); at >= 0 {
		return at
	}
	return slices.Index(e.Fields, c.Field.Name)
}

// plainColumns returns the columns that there are whatever rows hold: of a
// localised or open field only those that were asked for by name.
func (e *rowsExport) plainColumns() []schemas.Column {
	var columns []schemas.Column
	for i := range e.entity.Fields {
		f := &e.entity.Fields[i]
		if f.Name == schemas.DeletedField {
			continue
		}
		single := f.Type != schemas.LocalisedText && !f.Open
		if single && (f.Key || e.Fields == nil || slices.Contains(e.Fields, f.Name)) {
			columns = append(columns, schemas.Column{Name: f.Name, Field: f})
		}
		for _, name := range e.Fields {
			if c, err := e.entity.Column(name); err == nil && c.Field == f && c.Sub != "" {
				columns = append(columns, c)
			}
		}
	}
	return columns
}

// write hands a batch to the sink in the columns of the file.
func (e *rowsExport) write(ctx context.Context, b *schemas.Batch) error {
	if e.sink == nil {
		if err := e.begin(b.Columns); err != nil {
			return err
		}
	}
	fitted := e.fit(b)
	defer fitted.Rows.Release()
	refused, err := e.sink.Write(ctx, fitted)
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		r := refused[0]
		return fmt.Errorf("%s %s: %s %s; write another format", e.entity.Name, schemas.QuoteShort(b.KeyText(r.Row)), r.Field, r.Message)
	}
	n := int64(b.Count())
	e.done.Rows += n
	if b.Index(schemas.DeletedField) >= 0 {
		e.done.Deleted += n
	}
	return nil
}

// fit returns the batch in the columns of the file. Those that it lacks are
// absent, but that rows which are there are not deleted.
func (e *rowsExport) fit(b *schemas.Batch) *schemas.Batch {
	rows := int(b.Rows.NumRows())
	out := &schemas.Batch{Entity: b.Entity, Columns: e.columns, Selected: b.Selected, Absent: make([][]bool, len(e.columns))}
	arrays := make([]arrow.Array, len(e.columns))
	for i, c := range e.columns {
		at := b.Index(c.Name)
		switch {
		case at >= 0:
			arrays[i] = b.Rows.Column(at)
			if at < len(b.Absent) {
				out.Absent[i] = b.Absent[at]
			}
			continue
		case c.Name == schemas.DeletedField:
			arrays[i] = falses(rows)
		default:
			arrays[i] = array.MakeArrayOfNull(memory.DefaultAllocator, c.Field.ArrowType(), rows)
			out.Absent[i] = slices.Repeat([]bool{true}, rows)
		}
		defer arrays[i].Release()
	}
	out.Rows = array.NewRecordBatch(schemas.ArrowSchema(e.columns), arrays, int64(rows))
	return out
}

func falses(rows int) arrow.Array {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(make([]bool, rows), nil)
	return b.NewArray()
}

// A cursor of an export names its entity, since sequences of two services do
// not compare: product-4711.
func exportCursor(entity string, sequence int64) string {
	return entity + "-" + strconv.FormatInt(sequence, 10)
}

func parseExportCursor(entity, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	digits, ok := strings.CutPrefix(cursor, entity+"-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 {
		return 0, &ExportFault{"since", fmt.Sprintf("%s is no cursor of an export of %s: take the one that the export before has ended with, such as %s-4711", schemas.QuoteShort(cursor), entity, entity)}
	}
	return n, nil
}
