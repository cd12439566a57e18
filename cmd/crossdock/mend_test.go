package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// A mender is a hub, and the file that people take its rejected rows for.
type mender struct {
	*system
	dir string
	n   int
}

func newMender(t *testing.T) *mender {
	t.Helper()
	dir := t.TempDir()
	a := &app{stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler)}
	a.settings.Data = filepath.Join(dir, "data")
	s, err := a.open(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return &mender{system: s, dir: dir}
}

// reject runs a pipeline over rows that it rejects all, and returns its name.
// The cells of the first row are the header.
func (m *mender) reject(t *rapid.T, table [][]string) string {
	m.n++
	name := fmt.Sprintf("mend-%d", m.n)
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	if err := w.WriteAll(table); err != nil {
		t.Fatal(err)
	}
	pipeline := fmt.Sprintf("pipeline: %s\nsource: { connector: csv, path: %s.csv, delimiter: comma }\nentity: product\n"+
		"map: { sku: Nr, name.en: Nr, status: { column: Kz, values: { A: active } } }\n", name, name)
	file := filepath.Join(m.dir, name+".yaml")
	for path, content := range map[string][]byte{file: []byte(pipeline), filepath.Join(m.dir, name+".csv"): text.Bytes()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := m.hub.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.hub.Run(t.Context(), p, hub.Options{})
	if err != nil || s.Rejected != int64(len(table)-1) {
		t.Fatalf("run = %+v, %v; want all %d rows rejected", s, err, len(table)-1)
	}
	return name
}

// export returns the rows of a pipeline as a person sees them in its export.
func (m *mender) export(t *rapid.T, pipeline, format string) [][]string {
	var out bytes.Buffer
	filter := journal.ErrorFilter{Pipeline: pipeline}
	if format == "csv" {
		if _, err := m.hub.ExportCSV(t.Context(), &out, filter); err != nil {
			t.Fatal(err)
		}
		table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(out.String(), "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	if _, err := m.hub.ExportXLSX(t.Context(), &out, filter); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	table, err := book.GetRows(pipeline)
	if err != nil {
		t.Fatal(err)
	}
	for i := range table {
		table[i] = append(table[i], make([]string, len(table[0])-len(table[i]))...)
	}
	return table
}

// save writes the mended file and takes it in.
func (m *mender) save(t *rapid.T, table [][]string, format string) hub.MendReport {
	path := filepath.Join(m.dir, "mended."+format)
	var out bytes.Buffer
	if format == "csv" {
		w := csv.NewWriter(&out)
		w.Comma = rapid.SampledFrom([]rune{',', ';'}).Draw(t, "delimiter")
		if err := w.WriteAll(table); err != nil {
			t.Fatal(err)
		}
	} else {
		book := excelize.NewFile()
		defer book.Close()
		sheet, err := book.NewStreamWriter("Sheet1")
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range table {
			cells := make([]any, len(row))
			for c, value := range row {
				cells[c] = value
			}
			if err := sheet.SetRow(fmt.Sprintf("A%d", i+1), cells); err != nil {
				t.Fatal(err)
			}
		}
		if err := sheet.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := book.Write(&out); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := m.hub.Mend(t.Context(), hub.Input{Path: path}, hub.MendOptions{By: "kim"})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// edits returns the cells in which the rows of a pipeline are not as they were
// read: "A-1 C2" -> "new".
func (m *mender) edits(t *rapid.T, pipeline string) map[string]string {
	got := map[string]string{}
	add := func(r *journal.Row) error {
		for i, value := range r.Mended().Values {
			now, was := "", ""
			if value != nil {
				now = *value
			}
			if v := r.Cells.Values[i]; v != nil {
				was = *v
			}
			if r.IsEdited(i) || now != was {
				got[*r.Cells.Values[0]+" "+r.Cells.Names[i]] = now
			}
		}
		return nil
	}
	for _, status := range []journal.RowStatus{journal.OpenRow, journal.ReplayedRow} {
		if err := m.hub.Journal().EachRow(t.Context(), journal.ErrorFilter{Pipeline: pipeline, Status: status}, add); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// TestAMendedExportBringsBackExactlyTheCellsThatWereEdited holds the way out
// and in again to its promise, over rows, columns and texts of any kind.
func TestAMendedExportBringsBackExactlyTheCellsThatWereEdited(t *testing.T) {
	m := newMender(t)
	texts := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "0017", "=1+1", "'=x", "'", "''", "-1,5", "+49 30", "@x", "\tx", "-", "a\nb", `a"b`, "ä€😀", "  x ", "_x0041_", "1E5",
			"4006381333931", "2026-01-02", "TRUE", "=HYPERLINK(\"http://example.com\")", ";", ",", "<b>&amp;</b>", strings.Repeat("long ", 50),
		}),
		rapid.StringMatching(`[ -~äöüß]{0,12}`),
	)
	headers := []string{"Nr", "Kz", "C1", "C2", "=C3", "C 4"}
	rapid.Check(t, func(t *rapid.T) {
		table := [][]string{headers}
		for i := range rapid.IntRange(1, 8).Draw(t, "rows") {
			row := []string{fmt.Sprintf("A-%d", i), "bad"}
			for range headers[2:] {
				row = append(row, texts.Draw(t, "cell"))
			}
			table = append(table, row)
		}
		format := rapid.SampledFrom([]string{"csv", "xlsx"}).Draw(t, "format")
		pipeline := m.reject(t, table)
		exported := m.export(t, pipeline, format)

		// Cells are edited, columns deleted, and what is left is shuffled.
		want := map[string]string{}
		columns := rapid.Permutation(numbers(len(exported[0]))).Draw(t, "columns")
		columns = slices.DeleteFunc(columns, func(c int) bool {
			return exported[0][c] != "_row_token" && rapid.IntRange(0, 4).Draw(t, "delete") == 0
		})
		order := rapid.Permutation(exported[1:]).Draw(t, "order")
		mended := [][]string{pick(exported[0], columns)}
		for _, row := range order {
			source := table[1+slices.IndexFunc(table[1:], func(r []string) bool { return r[0] == row[0] })]
			edited := slices.Clone(row)
			for _, c := range columns {
				if c < 1 || c >= len(headers) || rapid.IntRange(0, 3).Draw(t, "edit") > 0 {
					continue
				}
				edited[c] = texts.Draw(t, "new")
				value := edited[c]
				if row[c] != source[c] && value != row[c] { // we have put an apostrophe there
					value = strings.TrimPrefix(value, "'")
				} else if row[c] != source[c] {
					value = source[c]
				}
				if value != source[c] {
					want[source[0]+" "+headers[c]] = value
				}
			}
			mended = append(mended, pick(edited, columns))
		}
		report := m.save(t, mended, format)
		if diff := cmp.Diff(want, m.edits(t, pipeline)); diff != "" {
			t.Fatalf("edits (-want +got)\n%s\nreport %+v", diff, report)
		}
		if report.Unknown != 0 || report.Cells != int64(len(want)) || report.Rows != int64(len(order)) {
			t.Fatalf("report %+v, want %d cells of %d rows", report, len(want), len(order))
		}
		again := m.save(t, mended, format)
		if again.Cells != 0 || len(again.Runs) != 0 || again.Untouched+again.Closed != again.Rows {
			t.Fatalf("the second time %+v, want nothing changed", again)
		}
	})
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func pick(row []string, columns []int) []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = row[c]
	}
	return cells
}
