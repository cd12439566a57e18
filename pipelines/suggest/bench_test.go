package suggest

import (
	"fmt"
	"testing"

	"crossdock/schemas"
)

// BenchmarkPropose200Columns is about a table of 200 columns and 500 rows
// whose entity has to be guessed.
func BenchmarkPropose200Columns(b *testing.B) {
	t := &Table{Name: "wide.csv", Rows: 500}
	rows := corpus(b)
	for i := 0; len(t.Columns) < 200; i++ {
		for _, header := range rows[i%len(rows)].headers {
			c := Column{Header: header}
			for row := range t.Rows {
				c.Cells = append(c.Cells, fmt.Sprintf("%d,%02d", row*7%(10*len(t.Columns)+1), row%100))
			}
			t.Columns = append(t.Columns, c)
		}
	}
	t.Columns = t.Columns[:200]
	for b.Loop() {
		if _, err := Propose(schemas.Default(), t, ""); err != nil {
			b.Fatal(err)
		}
	}
}
