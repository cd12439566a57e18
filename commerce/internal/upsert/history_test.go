package upsert

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// images returns the rows that are kept as they were, as "seq key was columns".
func images(t *testing.T, e *Engine, entity string) []string {
	t.Helper()
	type block struct {
		seq    int64
		packed []byte
	}
	blocks, err := store.Collect(t.Context(), e.db.Read(), func(rows *sql.Rows) (b block, err error) {
		return b, rows.Scan(&b.seq, &b.packed)
	}, `SELECT seq, images FROM pre_image ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, b := range blocks {
		err := unpack(b.seq, b.packed, func(old *image) error {
			values, err := e.tables[entity].values(old)
			lines = append(lines, fmt.Sprint(old.seq, " ", old.key, " ", old.was, " ", values))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func TestRowsAreKeptAsTheyWere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		for i, lines := range [][]string{
			{"category|name.en|name.de|position", `A"|Saws|Sägen|1`, "B|Bolts|" + null + "|2", "C|Clamps|" + null + "|3"},
			{"category|name.en|name.de|position", `A"|Saws|Sägen|1`, "B|Bolts|" + null + "|2"}, // unchanged
			{
				"category|position|name.en|deleted", `A"|7|` + absent + "|false", `A"|8|` + absent + "|false", // twice: the first counts
				"B|" + absent + "|" + absent + "|true", "B|9|Bolts|false", "B|9|Bolts|true", // deleted first
				"D|1|Drills|false", "D|2|Drills|false", // created here
				"C|3|" + absent + "|false", // unchanged
			},
		} {
			apply(t, e, fmt.Sprint(i), servicetest.Lines(t, "category", lines...))
		}
		want := []string{
			`2 "A\"" 1 [A" {"de":"Sägen","en":"Saws"} <nil> 1 active]`,
			`2 "B" 1 [B {"en":"Bolts"} <nil> 2 active]`,
		}
		if diff := cmp.Diff(want, images(t, e, "category")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"1|0|category|0", "2|2|category|2"}, query(t, e, `SELECT seq, run, entity, images FROM change`)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestManyRowsAreKeptInBlocks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		first, second := []string{"sku|name.en"}, []string{"sku|name.en"}
		for i := range 400 {
			first = append(first, fmt.Sprintf("A%03d|%s", i, strings.Repeat("long ", 100)))
			second = append(second, fmt.Sprintf("A%03d|short", i))
		}
		apply(t, e, "one", servicetest.Lines(t, "product", first...))
		apply(t, e, "two", servicetest.Lines(t, "product", second...))
		if got := images(t, e, "product"); len(got) != 400 || !strings.HasPrefix(got[399], `2 "A399" 1 [A399 `) {
			t.Errorf("%d images, the last is %s", len(got), got[len(got)-1])
		}
		got := query(t, e, `SELECT count(*), CASE WHEN sum(length(images)) < 40000 THEN 1 END, (SELECT images FROM change WHERE seq = 2) FROM pre_image`)
		if diff := cmp.Diff([]string{"4|1|400"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPlanKeepsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		apply(t, e, "one", servicetest.Lines(t, "product", "sku|name.en", "A|Anchor"))
		if _, err := e.Plan(t.Context(), servicetest.Lines(t, "product", "sku|deleted", "A|true")); err != nil {
			t.Fatal(err)
		}
		if got := query(t, e, `SELECT (SELECT count(*) FROM pre_image), (SELECT count(*) FROM tombstone), (SELECT count(*) FROM change)`); got[0] != "0|0|1" {
			t.Errorf("images, tombstones and changes: %s", got[0])
		}
	})
}

func TestBlocksOfEarlierVersionsAreRead(t *testing.T) {
	line := `["A",7,-8,{"sku":"A","brand":"Ä \"x\""}]` + "\n"
	block := []byte(strings.Repeat(line, 100))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"now": pack(block), "before": encoder.EncodeAll(block, nil)} {
		n := 0
		err := unpack(9, packed, func(old *image) error {
			n++
			if old.key != `"A"` || old.seq != 9 || old.was != 7 || old.hash != -8 || string(old.columns["brand"]) != `"Ä \"x\""` {
				t.Errorf("%s: %+v", name, old)
			}
			return nil
		})
		if n != 100 || err != nil {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
		for _, damaged := range [][]byte{nil, packed[:1], packed[:len(packed)/2], append([]byte{packed[0]}, 0xff, 0xff, 0xff, 0xff, 0x7f)} {
			if err := unpack(9, damaged, func(*image) error { return nil }); err == nil && len(damaged) > 0 {
				t.Errorf("%s: a block damaged to %d bytes passes", name, len(damaged))
			}
		}
	}
}
