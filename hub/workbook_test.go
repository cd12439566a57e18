package hub

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"crossdock/hub/journal"
)

func TestAFullSheetIsFollowedByAnother(t *testing.T) {
	b, err := newWorkbook(&tokens{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.file.Close()
	b.sheetRows = 2
	l := &layout{pipeline: "acme", names: []string{"Nr"}}
	for _, sku := range []string{"A-1", "A-2", "A-3", "A-4", "A-5"} {
		if err := b.add(l, &journal.Row{Cells: journal.Cells{Names: l.names, Values: []*string{&sku}, Whole: true}}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := b.writeTo(&out); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	var got []string
	for _, sheet := range book.GetSheetList() {
		rows, err := book.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			got = append(got, row[0])
		}
	}
	if want := "Nr A-1 A-2 Nr A-3 A-4 Nr A-5"; strings.Join(got, " ") != want {
		t.Errorf("first columns %q, want %q", got, want)
	}
}
