package quality

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/schemas"
)

func TestKeySetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s keySet
		model := make(map[uint64]rowPlace)
		// Few bits make collisions of slots, and keys at both ends of a shard.
		hashes := rapid.SliceOfN(rapid.OneOf(
			rapid.Uint64Range(1, 40), rapid.Uint64Range(math.MaxUint64-40, math.MaxUint64), rapid.Uint64Min(1),
			rapid.Map(rapid.Uint64Range(0, 5000), func(n uint64) uint64 { return hashInt(int64(n)) }),
		), 0, 3000).Draw(t, "hashes")
		second := rapid.IntRange(0, 3000).Draw(t, "second file")
		for i, hash := range hashes {
			file := uint8(0)
			if i >= second {
				file = 1
			}
			got, ok := s.find(hash)
			want, known := model[hash]
			if ok != known || got != want {
				t.Fatalf("find(%x) = %v, %t, want %v, %t", hash, got, ok, want, known)
			}
			if !ok {
				s.add(hash, rowPlace{row: uint32(i), file: file})
				model[hash] = rowPlace{uint32(i), file}
			}
		}
		for hash, want := range model {
			if got, ok := s.find(hash); !ok || got != want {
				t.Fatalf("find(%x) = %v, %t, want %v", hash, got, ok, want)
			}
		}
		s.reset()
		for hash := range model {
			if _, ok := s.find(hash); ok {
				t.Fatalf("%x outlives a reset", hash)
			}
		}
	})
}

func TestKeySetTakesAtMostTwentyBytesAKey(t *testing.T) {
	var s keySet
	for n := 1; n <= 600_000; n++ {
		s.add(hashInt(int64(n)), rowPlace{row: 1})
		if n >= 50_000 && n%10_000 == 0 {
			if perKey := float64(s.bytes()) / float64(n); perKey > 20.5 {
				t.Errorf("%d keys take %.1f bytes each", n, perKey)
			}
		}
	}
}

func TestHashesTellColumnsApart(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "mpn")
	b := batch(t, e, mapped, []map[string]any{
		{"sku": "AB", "mpn": "C"}, {"sku": "A", "mpn": "BC"}, {"sku": "C", "mpn": "AB"}, {"sku": "AB", "mpn": nil},
	})
	hashes := make([]uint64, 4)
	for i := range mapped {
		hashColumn(hashes, b.Rows.Column(i), []int32{0, 1, 2, 3}, 0, i == 0)
	}
	if hashes[3] != 0 {
		t.Errorf("a row with a null has the hash %x", hashes[3])
	}
	slices.Sort(hashes)
	if got := len(slices.Compact(hashes)); got != 4 {
		t.Errorf("%d different hashes of 4 rows", got)
	}
}

// Whatever is cut into batches however: of the rows with the same key, the
// first that no other rule rejects passes, and the others name it.
func TestUniqueKeepsTheFirstGoodRow(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku", "gtin")
	rapid.Check(t, func(rt *rapid.T) {
		rules, errs := Compile(e, mapped, nil)
		if errs != nil {
			rt.Fatal(errs)
		}
		check := rules.Start(nil)
		holder := make(map[string]int64) // model: the row that has the key
		number := int64(0)
		for range rapid.IntRange(1, 5).Draw(rt, "batches") {
			var rows []map[string]any
			var want []string
			for i := range rapid.IntRange(0, 12).Draw(rt, "rows") {
				sku := rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F"}).Draw(rt, "sku")
				good := rapid.Bool().Draw(rt, "good")
				gtin := "40170725"
				if !good {
					gtin = "40170720"
				}
				rows = append(rows, map[string]any{"sku": sku, "gtin": gtin})
				first, held := holder[sku]
				switch {
				case !good:
					want = append(want, fmt.Sprintf("%d gtin", i))
				case held:
					want = append(want, fmt.Sprintf("%d unique is the same as in row %d", i, first))
				default:
					holder[sku] = number + int64(i) + 1
				}
			}
			b := batch(t, e, mapped, rows)
			found, err := check.Batch(t.Context(), b, func(row int) int64 { return number + int64(row) + 1 })
			if err != nil {
				rt.Fatal(err)
			}
			var got []string
			for _, one := range found {
				text := fmt.Sprintf("%d %s", one.Row, one.Rule)
				if one.Rule == "unique" {
					text += " " + one.Message
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("-want +got\n%s", diff)
			}
			number += int64(len(rows))
		}
	})
}

func TestRowNumbersBeyondFourBytes(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku")
	rules, _ := Compile(e, mapped, nil)
	check := rules.Start(nil)
	var got []schemas.Rejection
	for range 2 {
		found, err := check.Batch(t.Context(), batch(t, e, mapped, []map[string]any{{"sku": "A"}}), func(int) int64 { return 1 << 40 })
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, found...)
	}
	if len(got) != 1 || got[0].Message != "is the same as in an earlier row" {
		t.Errorf("found %v", got)
	}
}

func TestRowsOfOtherFilesAreNamedWithThem(t *testing.T) {
	e := entity(t, "product")
	mapped := columns(t, e, "sku")
	check := compile(t, "product", mapped).Start(nil)
	var got []string
	for _, step := range []struct{ file, first, second string }{
		{"a.csv", "A", "A"}, {"a.csv", "A", "B"}, {"b.csv", "A", "C"}, {"b.csv", "C", "B"},
	} {
		check.From(step.file)
		found, err := check.Batch(t.Context(), batch(t, e, mapped, []map[string]any{{"sku": step.first}, {"sku": step.second}}), rowNumber)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			got = append(got, step.file+" "+sentence(2, one))
		}
	}
	want := []string{
		`a.csv row 3: sku "A" is the same as in row 2 (unique)`,
		`a.csv row 2: sku "A" is the same as in row 2 (unique)`,
		`b.csv row 2: sku "A" is the same as in row 2 of a.csv (unique)`,
		`b.csv row 2: sku "C" is the same as in row 3 (unique)`,
		`b.csv row 3: sku "B" is the same as in row 3 of a.csv (unique)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestMoreFilesThanAByteCounts(t *testing.T) {
	files := make([]string, 300)
	for i := range files {
		files[i] = fmt.Sprintf("%d.csv", i)
	}
	number := func(int) int64 { return 5 }
	for _, tt := range []struct {
		then, now int // files known when the key was seen, and now
		want      string
	}{
		{0, 0, "row 5"},
		{1, 1, "row 5"},
		{1, 2, "row 5 of 0.csv"},
		{255, 300, "row 5 of 254.csv"},
		{256, 256, "row 5"},
		{256, 300, "row 5 of this file or one before"},
		{300, 300, "row 5 of this file or one before"},
	} {
		at := origin{number, files[:tt.then]}.place(0)
		if got := (origin{number, files[:tt.now]}).name(at); got != tt.want {
			t.Errorf("seen in file %d, now at file %d: %s, want %s", tt.then, tt.now, got, tt.want)
		}
	}
}

// bytes returns the memory of the tables.
func (s *keySet) bytes() int {
	n := 0
	for i := range s.shards {
		n += 12 * len(s.shards[i].hashes)
	}
	return n
}
