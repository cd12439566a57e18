package connectors

import (
	"errors"
	"io/fs"
	"testing"
)

func TestPlaceIsWrittenAsCompilersDo(t *testing.T) {
	for _, tt := range []struct {
		place Place
		want  string
	}{
		{Place{}, ""},
		{Place{Resource: "orders.csv"}, "orders.csv"},
		{Place{Resource: "orders.csv", Row: 17}, "orders.csv:17"},
		{Place{Resource: "orders.csv", Row: 17, Column: "price"}, "orders.csv:17:price"},
		{Place{Resource: "orders.csv", Column: "price"}, "orders.csv:price"},
		{Place{Resource: "prices.xlsx", Part: "Prices", Row: 17}, "prices.xlsx:Prices:17"},
		{Place{Resource: "prices.xlsx", Part: "Prices", Row: 17, Column: "price", Cell: "C17"}, "prices.xlsx:Prices!C17"},
		{Place{Resource: "list.json", Part: "$.items", Row: 3, Column: "price"}, "list.json:$.items:3:price"},
	} {
		if got := tt.place.String(); got != tt.want {
			t.Errorf("%+v is written %q, want %q", tt.place, got, tt.want)
		}
	}
}

func TestOriginPlace(t *testing.T) {
	text := Origin{Resource: "orders.csv"}
	sheet := Origin{Resource: "prices.xlsx", Part: "Prices", Cells: true}
	for _, tt := range []struct {
		got, want Place
	}{
		{text.Place(17, -1, ""), Place{Resource: "orders.csv", Row: 17}},
		{text.Place(17, 2, "price"), Place{Resource: "orders.csv", Row: 17, Column: "price"}},
		{sheet.Place(17, -1, ""), Place{Resource: "prices.xlsx", Part: "Prices", Row: 17}},
		{sheet.Place(17, 2, "price"), Place{Resource: "prices.xlsx", Part: "Prices", Row: 17, Column: "price", Cell: "C17"}},
	} {
		if tt.got != tt.want {
			t.Errorf("got %+v, want %+v", tt.got, tt.want)
		}
	}
}

func TestCellAddress(t *testing.T) {
	for _, tt := range []struct {
		column int
		row    int64
		want   string
	}{
		{0, 1, "A1"},
		{2, 17, "C17"},
		{25, 2, "Z2"},
		{26, 2, "AA2"},
		{51, 9, "AZ9"},
		{52, 9, "BA9"},
		{701, 1, "ZZ1"},
		{702, 1, "AAA1"},
		{16_383, 1_048_576, "XFD1048576"},
	} {
		if got := CellAddress(tt.column, tt.row); got != tt.want {
			t.Errorf("CellAddress(%d, %d) = %q, want %q", tt.column, tt.row, got, tt.want)
		}
	}
}

func TestErrorNamesPlaceMessageAndCause(t *testing.T) {
	err := &Error{Place: Place{Resource: "a.csv", Row: 2}, Message: "cannot be read", Hint: "look at the disk", Err: fs.ErrPermission}
	if got, want := err.Error(), "a.csv:2: cannot be read: permission denied"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("the cause is not wrapped")
	}
	if got, want := (&Error{Message: "no answer"}).Error(), "no answer"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}
