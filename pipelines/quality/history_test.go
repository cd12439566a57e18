package quality

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"crossdock/schemas"
)

// scratchIn returns what makes scratch files, which end with the test.
func scratchIn(t testing.TB) func() (Scratch, error) {
	dir := t.TempDir()
	return func() (Scratch, error) {
		file, err := os.Create(filepath.Join(dir, "keys"))
		if err == nil {
			t.Cleanup(func() { _ = file.Close() })
		}
		return file, err
	}
}

func TestAHistoryOnDiskAnswersAsAMap(t *testing.T) {
	scratch := scratchIn(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{limit: rapid.IntRange(1, 700).Draw(rt, "limit"), scratch: scratch}
		want := map[uint64]rowPlace{}
		keys := rapid.SliceOfN(rapid.Uint64Range(1, 1<<20), 0, 3_000).Draw(rt, "keys")
		for i, key := range keys {
			hash := schemas.Mix(key)
			at, found := h.find(hash)
			if place, known := want[hash]; found != known || at != place {
				rt.Fatalf("find(%x) = %v, %t; want %v, %t", hash, at, found, place, known)
			}
			if !found {
				want[hash] = rowPlace{row: uint32(i + 1), file: uint8(i % 3)}
				h.add(hash, want[hash])
			}
		}
		for hash, place := range want {
			if at, found := h.find(hash); !found || at != place {
				rt.Fatalf("at the end find(%x) = %v, %t; want %v", hash, at, found, place)
			}
		}
		if h.err != nil {
			rt.Fatal(h.err)
		}
	})
}

func TestTheFilterSparesNearlyAllLooks(t *testing.T) {
	const n = 100_000
	f := newFilter(n)
	for i := range uint64(n) {
		f.add(schemas.Mix(i))
	}
	wrong := 0
	for i := uint64(n); i < 2*n; i++ {
		if f.mayHold(schemas.Mix(i)) {
			wrong++
		}
	}
	if wrong > n/50 {
		t.Errorf("%d of %d keys that it does not hold are taken for held, want about 1 in 100", wrong, n)
	}
}

func TestADiskThatFailsEndsTheRun(t *testing.T) {
	full := errors.New("no space left on device")
	h := &history{limit: 2, scratch: func() (Scratch, error) { return nil, full }}
	for hash := range uint64(5) {
		h.add(hash+1, rowPlace{row: 1})
	}
	if !errors.Is(h.err, full) {
		t.Errorf("error = %v, want that of the disk", h.err)
	}
}
