package hub_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// maskedText has the EAN for a secret, and refuses whatever has none that is right.
const maskedText = pipelineText + "sensitive: [EAN]\n"

// unseen holds the journal to having no trace of the secrets.
func (b *bench) unseen(t *testing.T, secrets ...string) {
	t.Helper()
	for place, content := range b.contents(t) {
		for _, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%s has %q in it", place, secret)
			}
		}
	}
}

// contents returns all that is kept of the journal: its files, or its schema.
func (b *bench) contents(t *testing.T) map[string]string {
	t.Helper()
	if b.place.URL != "" {
		db, err := sql.Open("pgx", b.place.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var content string
		err = db.QueryRowContext(t.Context(), `SELECT schema_to_xml($1, true, true, '')`, b.place.Prefix+"hub").Scan(&content)
		if err != nil || !strings.Contains(content, "<parked_row") {
			t.Fatalf("no journal: %v", err)
		}
		return map[string]string{"the schema": content}
	}
	files, err := filepath.Glob(filepath.Join(b.Dir, "journal.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no journal: %v", err)
	}
	contents := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contents[file] = string(content)
	}
	return contents
}

func TestSensitiveCellsAreNotKept(t *testing.T) {
	b := newBench(t, "A-1;;4006381333931", "A-2;Bolzen;4006381333932", "A-3;Ring;", "ragged;4006381333933")
	p := b.write(t, maskedText)
	s, err := b.Run(t.Context(), p, hub.Options{DryRun: true})
	if err != nil || len(s.Examples) == 0 {
		t.Fatalf("dry run = %+v, %v; want examples", s, err)
	}
	for _, e := range s.Examples {
		if text := e.Value + e.Message; strings.Contains(text, "400638") {
			t.Errorf("the dry run tells %s", text)
		}
	}
	if s, err = b.Run(t.Context(), p, hub.Options{}); err != nil || s.Rejected != 3 {
		t.Fatalf("run = %+v, %v; want 3 rejected", s, err)
	}
	b.unseen(t, "4006381333931", "4006381333932", "4006381333933")
}

func TestAMaskedCellIsEnteredAnew(t *testing.T) {
	b := newBench(t, "A-1;;4006381333931", "A-2;Bolzen;4006381333932")
	if _, err := b.Run(t.Context(), b.write(t, maskedText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	report, err := b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, hub.Edit{Set: map[string]string{"Name": "Mutter"}})
	if err != nil || report.Fail != 1 || report.Wrong[len(report.Wrong)-1].Rule != "masked" {
		t.Errorf("Edit = %+v, %v; want the EAN said to be missing", report, err)
	}
	if got := b.replay(t); got != [5]int64{2, 0, 0, 2, 0} {
		t.Errorf("replay = %v, want both rows kept back", got)
	}
	row, err := b.Journal().RowOf(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	last := row.Findings[len(row.Findings)-1]
	if last.Rule != "masked" || last.Header != "EAN" || !strings.Contains(last.Message, "enter it anew") {
		t.Errorf("findings %+v, want the EAN said to be missing", row.Findings)
	}
	report, err = b.Edit(t.Context(), journal.ErrorFilter{IDs: []int64{1, 2}}, hub.Edit{Set: map[string]string{"EAN": "4006381333931"}})
	if err != nil || report.Rows != 2 || *report.First[0].New != "***" {
		t.Errorf("Edit = %+v, %v; want two rows, and their values masked", report, err)
	}
	var out bytes.Buffer
	if _, err := b.ExportCSV(t.Context(), &out, journal.ErrorFilter{}); err != nil || strings.Contains(out.String(), "4006381333931") {
		t.Errorf("export %v:\n%s\nwant it masked", err, out.String())
	}
	if got := b.replay(t); got[1] == 0 || got[3] != 2-got[1] {
		t.Errorf("replay = %v, want rows applied", got)
	}
	b.unseen(t, "4006381333932")
}

func TestCardsInFreeTextAreNotKept(t *testing.T) {
	b := newBench(t, "A-1;paid by 4111 1111 1111 1111;x")
	b.shelf.refuse = "A-1"
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.unseen(t, "1111 1111")
	row, err := b.Journal().RowOf(t.Context(), 1)
	if err != nil || *row.Cells.Values[1] != "paid by ***" {
		t.Errorf("cells %v, %v; want the number masked alone", row, err)
	}
}

func TestANumberThatIsACodeIsKept(t *testing.T) {
	b := newBench(t, "A-1;Mutter;4006381333932") // wrong as a GTIN, and right as a card's
	if _, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	row, err := b.Journal().RowOf(t.Context(), 1)
	if err != nil || *row.Cells.Values[2] != "4006381333932" || row.Findings[0].Value != "4006381333932" {
		t.Errorf("row %+v, %v; want the number as it was read", row, err)
	}
}

func TestWhatIsOldIsForgottenAtTheEndOfARun(t *testing.T) {
	b := newBench(t, "A-1;;", "A-2;;")
	p := b.write(t, pipelineText+"retention: { errors: 10d }\n")
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{1}}, "gone", "kim"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ days, discarded, superseded int }{{9, 1, 1}, {11, 0, 3}, {30, 0, 2}} {
		config := b.Config
		config.Clock = func() time.Time { return time.Now().Add(time.Duration(tt.days) * 24 * time.Hour) }
		later, err := hub.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := later.Run(t.Context(), p, hub.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := later.Close(); err != nil {
			t.Fatal(err)
		}
		for status, want := range map[journal.RowStatus]int{journal.OpenRow: 2, journal.DiscardedRow: tt.discarded, journal.SupersededRow: tt.superseded} {
			rows, err := b.Journal().Rows(t.Context(), journal.ErrorFilter{Status: status})
			if err != nil || len(rows) != want {
				t.Errorf("after %d days %d rows are %s, %v; want %d", tt.days, len(rows), status, err, want)
			}
		}
	}
}
