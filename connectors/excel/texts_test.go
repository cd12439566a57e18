package excel

import (
	"os"
	"strings"
	"testing"
	"time"

	"crossdock/connectors"
)

func sharedBook(t *testing.T, value string) []byte {
	t.Helper()
	rows := texts(1, "sku", "name") + `<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c></row>`
	return rawBook{sheets: []string{sheetXML(rows)}, shared: sst("<t>0017</t>", "<t>"+value+"</t>")}.bytes(t)
}

// Whoever discovers reads the shared texts for the reader that comes next, and
// for no other one.
func TestTextsKeptOfADiscoveryAreTakenOnce(t *testing.T) {
	path := written(t, "book.xlsx", sharedBook(t, "before"))
	var src *source
	discover := func() {
		t.Helper()
		src = sourceOf(t, path).(*source)
		if _, err := src.Discover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(src.texts.shared.ends) != 2 {
			t.Fatalf("%d texts are kept, want 2", len(src.texts.shared.ends))
		}
	}
	nameOfRow := func() string {
		t.Helper()
		g, err := read(t, src, connectors.ReadRequest{})
		if err != nil || src.texts.file != "" {
			t.Fatalf("error %v, texts of %q are kept", err, src.texts.file)
		}
		return strings.Join(g.rows, "; ")
	}
	discover()
	for range 2 {
		if got := nameOfRow(); !strings.Contains(got, "before") {
			t.Errorf("read %s, want before", got)
		}
	}
	discover()
	if err := os.WriteFile(path, sharedBook(t, "afterwards"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if got := nameOfRow(); !strings.Contains(got, "afterwards") {
		t.Errorf("read %s of another workbook, want afterwards", got)
	}
}
