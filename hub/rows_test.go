package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	arrowmemory "github.com/apache/arrow-go/v18/arrow/memory" // memory is a connector here

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/schemas"
)

// A readShelf is a shelf that answers Rows with batches of texts.
type readShelf struct {
	*shelf
	batches []*schemas.Batch
	err     error
	asked   schemas.RowsRequest
}

func (s *readShelf) Rows(_ context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	s.asked = r
	for _, b := range s.batches {
		if err := fn(b); err != nil {
			return 0, err
		}
	}
	return 7, s.err
}

// textBatch returns rows of the entity product; a cell "-" is null, and a
// column deleted is true in all of them.
func textBatch(t *testing.T, names string, rows ...string) *schemas.Batch {
	t.Helper()
	e, err := schemas.Default().Entity("product")
	if err != nil {
		t.Fatal(err)
	}
	var columns []schemas.Column
	for name := range strings.SplitSeq(names, "|") {
		c, err := e.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	b := array.NewRecordBuilder(arrowmemory.DefaultAllocator, schemas.ArrowSchema(columns))
	defer b.Release()
	for _, row := range rows {
		for i, cell := range strings.Split(row, "|") {
			if err := b.Field(i).AppendValueFromString(strings.ReplaceAll(cell, "-", array.NullValueStr)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &schemas.Batch{Entity: e, Columns: columns, Rows: b.NewRecordBatch(), Absent: make([][]bool, len(columns))}
}

// lineFormat writes a line for each row, and refuses rows that hold "no".
func lineFormat(closed *int) connectors.Format {
	return connectors.Format{Name: "lines", Extension: ".txt", Create: func(w io.Writer, l connectors.Layout) (connectors.Sink, error) {
		for _, c := range l.Columns {
			fmt.Fprintf(w, "|%s", c.Name)
		}
		fmt.Fprintln(w)
		return &lineSink{w, closed}, nil
	}}
}

type lineSink struct {
	w      io.Writer
	closed *int
}

func (s *lineSink) Write(_ context.Context, b *schemas.Batch) (refused []schemas.Rejection, err error) {
	b.Each(func(row int) bool {
		for i := range b.Columns {
			text, ok := b.Text(i, row)
			switch {
			case text == "no":
				refused = append(refused, schemas.Rejection{Row: row, Field: b.Columns[i].Name, Message: "cannot be written"})
				return true
			case b.IsAbsent(i, row):
				text = "(absent)"
			case !ok:
				text = "(null)"
			}
			fmt.Fprintf(s.w, "|%s", text)
		}
		fmt.Fprintln(s.w)
		return true
	})
	return refused, nil
}

func (s *lineSink) Finish() error { _, err := fmt.Fprintln(s.w, "end"); return err }
func (s *lineSink) Close() error  { *s.closed++; return nil }

func TestExportRows(t *testing.T) {
	live := "sku|brand|name.de|name.en"
	for _, tt := range []struct {
		name    string
		x       hub.RowsExport
		batches []*schemas.Batch
		want    string
		counts  string // rows, deleted
	}{
		{
			"all columns",
			hub.RowsExport{},
			[]*schemas.Batch{textBatch(t, live, "1|a|-|b"), textBatch(t, live, "2|-|c|-")},
			"|sku|brand|name.de|name.en\n|1|a|(null)|b\n|2|(null)|c|(null)\nend\n", "2 0",
		},
		{
			"in the order of the fields, keys before them",
			hub.RowsExport{Fields: []string{"name", "brand"}},
			[]*schemas.Batch{textBatch(t, live, "1|a|-|b")},
			"|sku|name.de|name.en|brand\n|1|(null)|b|a\nend\n", "1 0",
		},
		{
			"a key where it is asked for",
			hub.RowsExport{Fields: []string{"name.en", "sku"}},
			[]*schemas.Batch{textBatch(t, "sku|name.en", "1|b")},
			"|name.en|sku\n|b|1\nend\n", "1 0",
		},
		{
			"what has changed and what is gone",
			hub.RowsExport{Since: "product-3"},
			[]*schemas.Batch{textBatch(t, live, "1|a|-|b"), textBatch(t, "sku|deleted", "2|true", "3|true")},
			"|sku|brand|name.de|name.en|deleted\n|1|a|(null)|b|false\n|2|(absent)|(absent)|(absent)|true\n|3|(absent)|(absent)|(absent)|true\nend\n", "3 2",
		},
		{
			"nothing but what is gone",
			hub.RowsExport{Since: "product-3", Fields: []string{"name.de", "brand"}},
			[]*schemas.Batch{textBatch(t, "sku|deleted", "2|true")},
			"|sku|name.de|brand|deleted\n|2|(absent)|(absent)|true\nend\n", "1 1",
		},
		{"nothing", hub.RowsExport{Since: "product-3", Fields: []string{"name.de"}}, nil, "|sku|name.de|deleted\nend\n", "0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := 0
			target := &readShelf{shelf: newShelf(), batches: tt.batches}
			h := exportHub(t, target, &closed)
			tt.x.Entity, tt.x.Format = "product", "lines"
			var out bytes.Buffer
			done, err := h.ExportRows(t.Context(), &out, tt.x)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("written\n%swant\n%s", out.String(), tt.want)
			}
			if got := fmt.Sprint(done.Rows, done.Deleted); got != tt.counts || done.Cursor != "product-7" || closed != 1 {
				t.Errorf("counts %s, want %s; cursor %s, closed %d times", got, tt.counts, done.Cursor, closed)
			}
			if after := map[string]int64{"": 0, "product-3": 3}[tt.x.Since]; target.asked.After != after {
				t.Errorf("asked for what follows %d, want %d", target.asked.After, after)
			}
		})
	}
}

func TestExportsThatFail(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, tt := range []struct {
		name   string
		x      hub.RowsExport
		target *readShelf
		want   string
		is     error
	}{
		{"a row that is refused", hub.RowsExport{}, &readShelf{batches: []*schemas.Batch{textBatch(t, "sku|brand", "17|no")}}, `product "17": brand cannot be written; write another format`, nil},
		{"a service that fails", hub.RowsExport{}, &readShelf{err: broken}, "the disk is gone", broken},
		{"a cursor that is too old", hub.RowsExport{Since: "product-3"}, &readShelf{err: fmt.Errorf("read: %w", schemas.ErrHistoryGone)}, "product-3: is too old a cursor: what was deleted since is no longer known; export all rows, without a cursor", hub.ErrCursorGone},
		{"a cursor of another entity", hub.RowsExport{Since: "price-3"}, &readShelf{}, `since: "price-3" is no cursor of an export of product`, nil},
		{"a cursor below zero", hub.RowsExport{Since: "product--3"}, &readShelf{}, `since: "product--3" is no cursor`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := 0
			tt.target.shelf = newShelf()
			tt.x.Entity, tt.x.Format = "product", "lines"
			_, err := exportHub(t, tt.target, &closed).ExportRows(t.Context(), io.Discard, tt.x)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error is %v, want %s", err, tt.want)
			}
			if len(tt.target.batches) > 0 && closed != 1 {
				t.Errorf("the sink was closed %d times", closed)
			}
		})
	}
}

func exportHub(t *testing.T, target hub.Target, closed *int) *hub.Hub {
	t.Helper()
	h, err := hub.Open(t.Context(), hub.Config{
		Dir: t.TempDir(), Registry: schemas.Default(), Clock: time.Now, Targets: map[string]hub.Target{"catalog": target}, Formats: []connectors.Format{lineFormat(closed)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}
