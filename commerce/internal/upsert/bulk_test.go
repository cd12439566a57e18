package upsert

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

// Batches that are large enough to be read and written at the same time have
// the outcome of small ones, whatever is wrong with some of their rows.
func TestLargeBatchesChangeEveryRow(t *testing.T) {
	const n = 3*rowsPerPortion + 7
	header := []string{"sku", "list", "amount", "currency", "deleted"}
	batch := func(amount func(i int) string) [][]string {
		var rows [][]string
		for i := range n {
			rows = append(rows, []string{fmt.Sprintf("P%05d", i), "eu", amount(i), "EUR", "false"})
		}
		return rows
	}
	storetest.Each(t, func(t *testing.T, place store.Place) {
		e := openEngineAt(t, place)
		take := func(run string, rows [][]string, want string) {
			t.Helper()
			if got := servicetest.Summary(apply(t, e, run, servicetest.Rows(t, "price", header, rows))); got != want {
				t.Errorf("%s: %s, want %s", run, got, want)
			}
		}
		take("create", batch(func(int) string { return "1" }), fmt.Sprintf("%d/0", n))
		take("change", batch(func(int) string { return "2" }), fmt.Sprintf("%d/0", n))
		rows := batch(func(i int) string {
			switch {
			case i%1500 == 3:
				return "-1" // breaks a constraint
			case i%10 == 0:
				return "2" // is the same
			}
			return "3"
		})
		rows[20][4] = "true"
		rows = append(rows, []string{"P00021", "eu", "4", "EUR", "false"}, []string{"P00020", "eu", "5", "EUR", "false"}, []string{"new", "eu", "6", "EUR", "false"})
		same, broken := (n+9)/10-1, 3 // P00020 is deleted
		take("mixed", rows, fmt.Sprintf("%d/%d constraint@3. constraint@1503. constraint@3003.", n-same-broken+3, same))
		want := []string{
			fmt.Sprintf("2000000|%d", same+broken), fmt.Sprintf("3000000|%d", n-same-broken-2), "4000000|1", "5000000|1", "6000000|1",
		}
		if diff := cmp.Diff(want, query(t, e, "SELECT amount, count(*) FROM price GROUP BY amount ORDER BY amount")); diff != "" {
			t.Error(diff)
		}
		// Each row is kept as it was before the batch, once.
		if got := query(t, e, "SELECT images FROM change ORDER BY seq"); got[1] != fmt.Sprint(n) || got[2] != fmt.Sprint(n-same-broken) {
			t.Errorf("images of the changes: %v", got)
		}
	})
}
