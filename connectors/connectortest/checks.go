package connectortest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crossdock/connectors"
)

func checkSettings(t testing.TB, h Harness) {
	if h.Type.Name == "" || h.Type.Doc == "" || strings.Contains(h.Type.Doc, "\n") {
		t.Errorf("type %q needs a name and a doc of one line, it has %q", h.Type.Name, h.Type.Doc)
	}
	for _, s := range h.Type.Settings {
		switch {
		case s.Name == "" || strings.ToLower(s.Name) != s.Name:
			t.Errorf("setting %q: the json tag must be a name in lower case", s.Name)
		case s.Doc == "" || !strings.HasSuffix(s.Doc, "."):
			t.Errorf("setting %s: the doc tag must be a sentence, it is %q", s.Name, s.Doc)
		case s.Required && s.Example == "":
			t.Errorf("setting %s: a required setting needs an example", s.Name)
		case len(s.Values) > 0 && s.Default != "" && !slices.Contains(s.Values, s.Default):
			t.Errorf("setting %s: the default %q is none of %v", s.Name, s.Default, s.Values)
		}
	}
	_, err := h.Type.New(map[string]any{"no_such_setting": "x"}, connectors.Env{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting: unknown setting") {
		t.Errorf("an unknown setting is not refused: %v", err)
	}
}

func checkProbes(t testing.TB, h Harness) {
	probes := h.New(t).Check(t.Context())
	if len(probes) == 0 {
		t.Error("Check reports no probe")
	}
	for _, p := range probes {
		if p.Name == "" || p.Err != nil {
			t.Errorf("probe %q (%s): %v", p.Name, p.Detail, p.Err)
		}
	}
}

func checkDiscover(t testing.TB, h Harness) {
	streams, err := h.New(t).Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(streams, func(s connectors.Stream) bool { return s.Name == h.Stream })
	if at < 0 {
		t.Fatalf("stream %q is not among %+v", h.Stream, streams)
	}
	if diff := cmp.Diff(h.Columns, streams[at].Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if !streams[at].Rereadable {
		return
	}
	if diff := cmp.Diff(mustRead(t, h, "", 0).rows, mustRead(t, h, "", 0).rows); diff != "" {
		t.Errorf("said to be rereadable, but a second reading differs:\n%s", diff)
	}
}

func checkRows(t testing.TB, h Harness) {
	if len(h.Rows) < 6 {
		t.Fatalf("the harness knows %d rows: give at least six, in several batches", len(h.Rows))
	}
	got := mustRead(t, h, "", 0)
	compare(t, "the whole", h, reached{}, got)
	if len(got.cursors) < 3 {
		t.Errorf("the dataset came in %d batches: it must come in three or more", len(got.cursors))
	}
}

// compare holds a reading that began where from had ended to what is known.
func compare(t testing.TB, what string, h Harness, from reached, got *reading) {
	t.Helper()
	if diff := cmp.Diff(h.Rows[from.rows:], got.rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: rows (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(h.Rejects[from.rejects:], got.rejects, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: rejects (-want +got):\n%s", what, diff)
	}
	if want := h.Skipped - from.skipped; got.skipped != want {
		t.Errorf("%s: %d rows skipped, want %d", what, got.skipped, want)
	}
}

func checkBatches(t testing.TB, h Harness) {
	var last connectors.Origin
	var lastRow, done int64
	eachBatch(t, h, h.New(t), h.BatchRows, func(b *connectors.Batch) {
		if b.Rows.NumRows() > int64(h.BatchRows) || len(b.Rejects) > h.BatchRows {
			t.Errorf("a batch has %d rows and %d rejects, %d were asked for", b.Rows.NumRows(), len(b.Rejects), h.BatchRows)
		}
		if b.Origin.Resource != last.Resource || b.Origin.Part != last.Part {
			last, lastRow, done = b.Origin, 0, 0
		}
		if b.Origin.Resource == "" {
			t.Error("a batch does not name its resource")
		}
		for _, row := range b.Origin.Rows {
			if row < lastRow { // rows of one record that is exploded share its number
				t.Errorf("%s: row %d comes after row %d", last.Resource, row, lastRow)
			}
			lastRow = row
		}
		if b.Done < done || b.Size > 0 && b.Done > b.Size {
			t.Errorf("progress went from %d to %d of %d", done, b.Done, b.Size)
		}
		done = b.Done
		checkCursor(t, b.Cursor)
		checkRejects(t, b)
		checkCells(t, b)
	})
}

func checkCursor(t testing.TB, c connectors.Cursor) {
	t.Helper()
	if c == "" {
		t.Error("a batch has no cursor")
	}
	for _, r := range string(c) {
		if !unicode.IsPrint(r) {
			t.Errorf("cursor %q is not printable", c)
			return
		}
	}
}

func checkRejects(t testing.TB, b *connectors.Batch) {
	t.Helper()
	for _, r := range b.Rejects {
		if r.Row < 1 || r.Rule == "" || r.Message == "" {
			t.Errorf("a reject needs row, rule and message: %+v", r)
		}
		kept := len(r.Value)
		for _, cell := range r.Cells {
			kept += len(cell)
			if !utf8.ValidString(cell) {
				t.Errorf("row %d: the reject keeps a cell that is not UTF-8: %q", r.Row, cell)
			}
		}
		if !utf8.ValidString(r.Value) || kept > connectors.MaxRejectBytes {
			t.Errorf("row %d: the reject keeps %d bytes of the row, value %q", r.Row, kept, r.Value)
		}
	}
}

func checkCells(t testing.TB, b *connectors.Batch) {
	t.Helper()
	for c := range int(b.Rows.NumCols()) {
		if c < len(b.Kinds) && b.Kinds[c] != nil && len(b.Kinds[c]) != int(b.Rows.NumRows()) {
			t.Errorf("column %s: %d rows but %d kinds", b.Rows.ColumnName(c), b.Rows.NumRows(), len(b.Kinds[c]))
		}
		for r := range int(b.Rows.NumRows()) {
			if column := b.Rows.Column(c); column.IsValid(r) && !utf8.ValidString(column.ValueStr(r)) {
				t.Errorf("%s: a cell is not UTF-8: %q", b.Origin.Place(b.Origin.Rows[r], c, b.Rows.ColumnName(c)), column.ValueStr(r))
			}
		}
	}
}

func checkResume(t testing.TB, h Harness) {
	for _, at := range mustRead(t, h, "", 0).cursors {
		// Another size of batch must not matter to who goes on.
		for _, rows := range []int{h.BatchRows, h.BatchRows + 1, 0} {
			other := h
			other.BatchRows = rows
			got := mustRead(t, other, at.cursor, 0)
			compare(t, "behind "+string(at.cursor), h, at, got)
		}
	}
}

func checkRestarts(t testing.TB, h Harness) {
	all := &reading{}
	cursor := connectors.Cursor("")
	for range len(h.Rows) + len(h.Rejects) + h.Skipped + 1 {
		got := mustRead(t, h, cursor, 1)
		if len(got.cursors) == 0 {
			break
		}
		all.rows = append(all.rows, got.rows...)
		all.rejects = append(all.rejects, got.rejects...)
		all.skipped += got.skipped
		cursor = got.cursors[0].cursor
	}
	compare(t, "restarted after every batch", h, reached{}, all)
}

func checkForeignCursor(t testing.TB, h Harness) {
	for _, foreign := range []connectors.Cursor{"nonsense", "{", `{"a":[1`} {
		err := caught(func() error {
			_, err := readOn(t.Context(), h, h.New(t), foreign, 0)
			return err
		})
		checkError(t, "cursor "+string(foreign), err)
	}
}

// checkError wants an error that a user can act on.
func checkError(t testing.TB, what string, err error) {
	t.Helper()
	actionable, ok := errors.AsType[*connectors.Error](err)
	switch {
	case err == nil:
		t.Errorf("%s: no error", what)
	case !ok:
		t.Errorf("%s: the error is no *connectors.Error: %v", what, err)
	case actionable.Message == "":
		t.Errorf("%s: the error has no message: %v", what, err)
	}
}

func checkEnd(t testing.TB, h Harness) {
	reader, err := h.New(t).Open(t.Context(), connectors.ReadRequest{Stream: h.Stream, BatchRows: h.BatchRows})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	for range len(h.Rows) + len(h.Rejects) + h.Skipped + 1 {
		if _, err = reader.Next(t.Context()); err != nil {
			break
		}
	}
	_, again := reader.Next(t.Context())
	if !errors.Is(err, io.EOF) || !errors.Is(again, io.EOF) {
		t.Errorf("at the end Next returned %v and then %v, want EOF twice", err, again)
	}
}

func checkCancel(t testing.TB, h Harness) {
	sources := map[string]func(testing.TB) connectors.Source{"the dataset": h.New}
	if h.Large != nil {
		sources["a large source"] = h.Large
	}
	if h.Stuck != nil {
		sources["a source that is stuck"] = h.Stuck
	}
	for name, open := range sources {
		for _, after := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
			cancelAfter(t, name, h, open(t), after)
		}
	}
}

// cancelAfter reads until its context ends, and wants to be back in a second.
func cancelAfter(t testing.TB, name string, h Harness, src connectors.Source, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() { // ends with the reading, which this function awaits or fails
		close(begun)
		all := h
		all.BatchRows = 0
		ended <- caught(func() error { return readUntilEnd(ctx, all, src) })
	}()
	<-begun
	time.Sleep(after)
	cancel()
	select {
	case err := <-ended:
		// A source that is short may have come to its end before the context.
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled after %v, the reading returned %v, want %v", name, after, err, context.Canceled)
		}
		if err == nil && after == 0 && name != "the dataset" {
			t.Errorf("%s: the reading paid no heed to its context", name)
		}
	case <-time.After(time.Second):
		t.Errorf("%s: still reading a second after its context was cancelled", name)
	}
}

func readUntilEnd(ctx context.Context, h Harness, src connectors.Source) error {
	reader, err := src.Open(ctx, connectors.ReadRequest{Stream: h.Stream, BatchRows: h.BatchRows})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		_, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func checkMemory(t testing.TB, h Harness) {
	if h.Large == nil {
		t.Skip("the harness has no large source")
	}
	bound := h.HeapBound
	if bound == 0 {
		bound = 48 << 20
	}
	src := h.Large(t)
	before := liveHeap()
	var most, rows, batches uint64
	eachBatch(t, h, src, 0, func(b *connectors.Batch) {
		rows += uint64(b.Read())
		// Now and then is enough to see growth, and a collection is slow.
		if batches++; batches%16 == 1 {
			most = max(most, liveHeap())
		}
	})
	most = max(most, liveHeap())
	runtime.KeepAlive(src)
	if rows < uint64(h.LargeRows) {
		t.Errorf("read %d rows of the large source, want %d", rows, h.LargeRows)
	}
	if most > before+bound {
		t.Errorf("the live heap grew by %d MiB over %d rows, at most %d MiB are allowed", (most-before)>>20, rows, bound>>20)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func checkMalformed(t testing.TB, h Harness, m Malformed) {
	if m.Stream != "" {
		h.Stream = m.Stream
	}
	h.BatchRows = 0
	src := m.New(t)
	err := caught(func() error { return readUntilEnd(t.Context(), h, src) })
	checkError(t, m.Name, err)
	if actionable, ok := errors.AsType[*connectors.Error](err); ok {
		if text := actionable.Error() + "\n" + actionable.Hint; !strings.Contains(text, m.Message) {
			t.Errorf("the error is %q, hint %q, want %q in it", actionable, actionable.Hint, m.Message)
		}
	}
	if err := caught(func() error { src.Check(t.Context()); return nil }); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := caught(func() error { _, _ = src.Discover(t.Context()); return nil }); err != nil {
		t.Errorf("Discover: %v", err)
	}
}
