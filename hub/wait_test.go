package hub_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// variantsText is a pipeline of rows that refer to others by their last cell.
const variantsText = `pipeline: variants
source: { connector: memory, path: variants.csv }
entity: product
wait: { until: 72h }
rules: [{ reference: category }]
map: { sku: Nr, name.en: Name, category: EAN }
`

// waits counts the parked rows of the bench by status.
func (b *bench) waits(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, status := range []journal.RowStatus{journal.WaitingRow, journal.OpenRow, journal.ReplayedRow, journal.SupersededRow} {
		rows, err := b.Journal().Rows(t.Context(), journal.ErrorFilter{Status: status})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, fmt.Sprintf("%d %s", len(rows), status))
	}
	return strings.Join(parts, ", ")
}

func (b *bench) is(t *testing.T, want string) {
	t.Helper()
	if got := b.waits(t); got != want {
		t.Errorf("rows are %s; want %s", got, want)
	}
}

func waitingBench(t *testing.T, lines ...string) *bench {
	t.Helper()
	b := newBench(t)
	b.memory.files["variants.csv"] = lines
	b.shelf.known = map[string]bool{}
	s, err := b.Run(t.Context(), b.write(t, variantsText), hub.Options{})
	if err != nil || s.Waiting != int64(len(lines)) || s.Rejected != s.Waiting {
		t.Fatalf("Run = %+v, %v; want all rows waiting", s, err)
	}
	return b
}

func TestWhatWaitedInVainIsAnErrorAtItsDeadline(t *testing.T) {
	b := waitingBench(t, "V-1;Mutter;c1", "V-2;Keil;c1")
	now := time.Now()
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{71 * time.Hour, "2 waiting, 0 open, 0 replayed, 0 superseded"},
		{73 * time.Hour, "0 waiting, 2 open, 0 replayed, 0 superseded"},
	} {
		other := &bench{dir: b.dir, place: b.place, memory: b.memory, shelf: b.shelf, clock: func() time.Time { return now.Add(tt.after) }}
		other.open(t) // a program that starts then
		other.is(t, tt.want)
	}
	errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		if !strings.Contains(e.Message, "; waited for it since "+now.UTC().Format("2006-01-02")) {
			t.Errorf("message %q, want since when it has waited", e.Message)
		}
	}
	// It is an error like any other, and not replayed by itself any more.
	b.shelf.known["c1"] = true
	if replays, err := b.Rouse(t.Context(), []string{"category"}); err != nil || len(replays) != 0 {
		t.Errorf("Rouse = %+v, %v; want nothing", replays, err)
	}
}

func TestWhatWaitsCanBeMendedAssignedTriedAndDiscarded(t *testing.T) {
	b := waitingBench(t, "V-1;Mutter;c1", "V-2;Keil;c1", "V-3;Ring;c1")
	errs, err := b.Journal().Errors(t.Context(), journal.ErrorFilter{Status: journal.WaitingRow})
	if err != nil || len(errs) != 3 {
		t.Fatalf("Errors = %+v, %v; want three", errs, err)
	}
	if _, _, err := b.Amend(t.Context(), errs[0].ID, hub.Amendment{Assign: new("kim"), Comment: "comes on Monday", By: "lee"}); err != nil {
		t.Fatal(err)
	}
	b.is(t, "3 waiting, 0 open, 0 replayed, 0 superseded")

	// Tried in vain, it goes on waiting.
	replays, err := b.Replay(t.Context(), journal.ErrorFilter{IDs: []int64{errs[1].ID}}, nil)
	if err != nil || len(replays) != 1 || replays[0].Waiting != 1 {
		t.Fatalf("Replay = %+v, %v; want the row to wait again", replays, err)
	}
	b.is(t, "3 waiting, 0 open, 0 replayed, 0 superseded")

	// Once edited it is an error as any other, and passes where it can.
	b.shelf.known["c2"] = true
	if _, _, err := b.Amend(t.Context(), errs[0].ID, hub.Amendment{Set: map[string]string{"EAN": "c2"}, By: "kim"}); err != nil {
		t.Fatal(err)
	}
	b.is(t, "2 waiting, 1 open, 0 replayed, 0 superseded")
	if _, err := b.Replay(t.Context(), journal.ErrorFilter{IDs: []int64{errs[0].ID}}, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Discard(t.Context(), journal.ErrorFilter{IDs: []int64{errs[2].ID}}, "no longer sold", "kim"); n != 1 || err != nil {
		t.Fatalf("Discard = %d, %v; want one", n, err)
	}
	b.is(t, "1 waiting, 0 open, 1 replayed, 0 superseded")
	if _, err := b.Replay(t.Context(), journal.ErrorFilter{IDs: []int64{errs[2].ID}}, nil); !errors.Is(err, journal.ErrNotOpen) {
		t.Errorf("Replay of what was discarded = %v, want %v", err, journal.ErrNotOpen)
	}

	// What was discarded is not roused, and what waits still is.
	b.shelf.known["c1"] = true
	if replays, err := b.Rouse(t.Context(), []string{"category"}); err != nil || len(replays) != 1 || replays[0].Applied != 1 {
		t.Errorf("Rouse = %+v, %v; want V-2", replays, err)
	}
	b.is(t, "0 waiting, 0 open, 2 replayed, 0 superseded")
}

func TestTheWorkerReplaysWhatWaitsWhoeverHasBroughtWhatItWaitedFor(t *testing.T) {
	b := waitingBench(t, "V-1;Mutter;c1", "V-2;Keil;c2")
	b.shelf.known["c1"] = true // another process has brought it
	b.working(t)
	for deadline := time.Now().Add(30 * time.Second); b.waits(t) != "1 waiting, 0 open, 1 replayed, 0 superseded"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("rows are %s; want V-1 replayed", b.waits(t))
		}
	}
	if _, there := b.shelf.rows["V-1"]; !there || len(b.shelf.rows) != 1 {
		t.Errorf("service has %v, want V-1", b.shelf.rows)
	}
}

func TestARowThatLacksSomethingElseGoesOnWaitingUntilTheSameDeadline(t *testing.T) {
	b := newBench(t)
	b.memory.files["variants.csv"] = []string{"V-1;c2;c1"}
	b.shelf.known = map[string]bool{}
	text := strings.Replace(variantsText, "name.en: Name", "name.en: Nr, parent_sku: Name", 1)
	text = strings.Replace(text, "[{ reference: category }]", "[{ reference: [category, parent_sku] }]", 1)
	if _, err := b.Run(t.Context(), b.write(t, text), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.is(t, "1 waiting, 0 open, 0 replayed, 0 superseded")
	b.shelf.known["c1"] = true
	replays, err := b.Rouse(t.Context(), []string{"category"})
	if err != nil || len(replays) != 1 || replays[0].Waiting != 1 {
		t.Fatalf("Rouse = %+v, %v; want the row to go on waiting", replays, err)
	}
	b.is(t, "1 waiting, 0 open, 0 replayed, 0 superseded")
	if replays, err := b.Rouse(t.Context(), []string{"category"}); err != nil || len(replays) != 0 {
		t.Errorf("Rouse = %+v, %v; want no replay for what has arrived already", replays, err)
	}
	b.shelf.known["c2"] = true
	if replays, err := b.Rouse(t.Context(), []string{"category", "product"}); err != nil || len(replays) != 1 || replays[0].Applied != 1 {
		t.Errorf("Rouse = %+v, %v; want the row applied", replays, err)
	}
	b.is(t, "0 waiting, 0 open, 1 replayed, 0 superseded")
}

// keepBusy keeps the lock of a pipeline as another process would.
func (b *bench) keepBusy(t *testing.T, pipeline string) (release func()) {
	t.Helper()
	if j := b.Journal(); j.Shared() {
		unlock, _, err := j.Lock(t.Context(), pipeline)
		if err != nil {
			t.Fatal(err)
		}
		turn, _, err := j.TakeTurn(t.Context(), pipeline, "another process", time.Hour, true)
		if turn == 0 || err != nil {
			t.Fatalf("TakeTurn = %d, %v", turn, err)
		}
		return func() {
			if err := j.EndTurn(t.Context(), pipeline, turn); err != nil {
				t.Fatal(err)
			}
			unlock()
		}
	}
	lock, err := os.OpenFile(filepath.Join(b.dir, "locks", pipeline+".lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatArrivedWhileItsPipelineWasBusyIsReplayedLater keeps the lock of the
// pipeline, as a run of another process does.
func TestWhatArrivedWhileItsPipelineWasBusyIsReplayedLater(t *testing.T) {
	b := waitingBench(t, "V-1;Mutter;c1")
	release := b.keepBusy(t, "variants")
	b.shelf.known["c1"] = true
	if replays, err := b.Rouse(t.Context(), []string{"category"}); err != nil || len(replays) != 0 {
		t.Errorf("Rouse = %+v, %v; want it to leave a pipeline that runs alone", replays, err)
	}
	b.is(t, "1 waiting, 0 open, 0 replayed, 0 superseded")
	release()
	// Whatever run ends next looks again, though it brings no category.
	b.memory.files["a.csv"] = products(1)
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte(pipelineText), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := b.Load(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), p, hub.Options{}); err != nil {
		t.Fatal(err)
	}
	b.is(t, "0 waiting, 0 open, 1 replayed, 0 superseded")
}

// TestMoreRowsWaitThanAPageHolds has many rows wait for many keys, half of
// which arrive.
func TestMoreRowsWaitThanAPageHolds(t *testing.T) {
	const rows = 5_000
	b := newBench(t)
	b.memory.rows = 1_000
	lines := make([]string, rows)
	b.shelf.known = map[string]bool{}
	for i := range lines {
		lines[i] = fmt.Sprintf("V-%d;Mutter;c%d", i, i)
	}
	b.memory.files["variants.csv"] = lines
	if _, err := b.Run(t.Context(), b.write(t, variantsText), hub.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < rows; i += 2 {
		b.shelf.known[fmt.Sprintf("c%d", i)] = true
	}
	replays, err := b.Rouse(t.Context(), []string{"category"})
	if err != nil || len(replays) != 1 || replays[0].Applied != rows/2 {
		t.Errorf("Rouse = %+v, %v; want %d rows applied by one run", replays, err, rows/2)
	}
	b.is(t, "2500 waiting, 0 open, 2500 replayed, 0 superseded")
}
