package csvfile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/connectors"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// show writes all that a source yields, a line for each row and reject.
func show(t testing.TB, src connectors.Source) (string, error) {
	t.Helper()
	var out strings.Builder
	reader, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		return "", err
	}
	defer closed(t, reader)
	skipped := 0
	for {
		batch, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			if skipped > 0 {
				fmt.Fprintf(&out, "skipped %d\n", skipped)
			}
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		showBatch(&out, batch)
		skipped += batch.Skipped
	}
}

func showBatch(out *strings.Builder, batch *connectors.Batch) {
	for row := range int(batch.Rows.NumRows()) {
		fmt.Fprint(out, batch.Origin.Rows[row])
		for c := range int(batch.Rows.NumCols()) {
			if batch.Rows.Column(c).IsNull(row) {
				fmt.Fprintf(out, " %s=", batch.Rows.ColumnName(c))
			} else {
				fmt.Fprintf(out, " %s=%q", batch.Rows.ColumnName(c), batch.Rows.Column(c).ValueStr(row))
			}
		}
		fmt.Fprintln(out)
	}
	for _, r := range batch.Rejects {
		fmt.Fprintf(out, "%d rejected by %s, column %d, value %q, cells %q: %s\n", r.Row, r.Rule, r.Column, r.Value, r.Cells, r.Message)
	}
}

func TestRead(t *testing.T) {
	type settings = map[string]any
	for _, tt := range []struct {
		name, in string
		settings settings
		want     string
	}{
		{"commas", "a,b\n1,2\n", nil, `2 a="1" b="2"`},
		{"no line break at the end", "a,b\n1,2", nil, `2 a="1" b="2"`},
		{"leading zeros and blanks stay", "a,b\n 0017 ,1\n", nil, `2 a=" 0017 " b="1"`},
		{"blanks around names go", " a ,\"b \"\n1,2\n", nil, `2 a="1" b="2"`},
		{"empty cells are null, quoted or not", "a,b,c\n1,,\"\"\n", nil, `2 a="1" b= c=`},
		{"a first cell that is empty", "a,b\n,2\n", nil, `2 a= b="2"`},
		{"CRLF", "a,b\r\n1,2\r\n3,4\r\n", nil, "2 a=\"1\" b=\"2\"\n3 a=\"3\" b=\"4\""},
		{"CR", "a,b\r1,2\r3,4\r", nil, "2 a=\"1\" b=\"2\"\n3 a=\"3\" b=\"4\""},
		{
			"line breaks of every kind in quotes count", "a,b\n\"1\r\n\r\n\",2\n3,4\n\"\r\r\",5\n6,7\n", nil,
			"2 a=\"1\\r\\n\\r\\n\" b=\"2\"\n5 a=\"3\" b=\"4\"\n6 a=\"\\r\\r\" b=\"5\"\n9 a=\"6\" b=\"7\"",
		},
		{"doubled quotes", "a,b\n\"say \"\"hi\"\"\",\"\"\"\"\n", nil, `2 a="say \"hi\"" b="\""`},
		{"quotes within a cell that is not quoted", "a,b\n19\" rack,5\"\n", nil, `2 a="19\" rack" b="5\""`},
		{"quotes mean nothing", "a,b\n\"1,2\"\n", settings{"quote": "none"}, `2 a="\"1" b="2\""`},
		{"another quote", "a,b\n'1,2',\"3\n", settings{"quote": "'"}, `2 a="1,2" b="\"3"`},
		{"one column", "a\n1\n\n2\n \n", nil, "2 a=\"1\"\n4 a=\"2\"\n5 a=\" \"\nskipped 1"},
		{"rows without content are skipped", "a,b\n1,2\n,\n   \n\n\"\",\"\"\n,,,,\n", nil, "2 a=\"1\" b=\"2\"\nskipped 5"},
		{"the end of a DOS file", "a,b\r\n1,2\r\n\x1a", nil, "2 a=\"1\" b=\"2\"\nskipped 1"},
		{"commas by name", "a,b;\n1,2;\n", settings{"delimiter": "comma"}, `2 a="1" b;="2;"`},
		{"semicolons by name", "a;b,\n1;2,\n", settings{"delimiter": "semicolon"}, `2 a="1" b,="2,"`},
		{"pipes by name", "a|b;\n1|2;\n", settings{"delimiter": "pipe"}, `2 a="1" b;="2;"`},
		{"blanks by name", "a b\n1 2\n", settings{"delimiter": "space"}, `2 a="1" b="2"`},
		{"blank lines above the header", "\n\na,b\n1,2\n", nil, `4 a="1" b="2"`},
		{"header in line 3", "Price list\n\na,b\n1,2\n", settings{"header": "3"}, `4 a="1" b="2"`},
		{"header below a title with delimiters", "x,y,z,\nw,,,,,\na,b\n1,2\n", settings{"header": "3"}, `4 a="1" b="2"`},
		{"the delimiter that Excel declares", "sep=|\r\na|b;c\r\n1|2\r\n", nil, `3 a="1" b;c="2"`},
		{"the declaration of Excel is no row", "sep=;\n1;2\n", settings{"header": "none", "columns": []any{"a", "b"}}, `2 a="1" b="2"`},

		{"no header", "1,2\n3,4\n", settings{"header": "none", "columns": []any{"a", "b"}}, "1 a=\"1\" b=\"2\"\n2 a=\"3\" b=\"4\""},
		{"columns named, no header", "1,2\n3,4\n", settings{"columns": []any{"a", "b"}}, "1 a=\"1\" b=\"2\"\n2 a=\"3\" b=\"4\""},
		{"columns named, and a header all the same", "A,b\n3,4\n", settings{"columns": []any{"a", "b"}}, `2 a="3" b="4"`},
		{"columns named, rows end with a delimiter", "1,2,\n3,4,\n", settings{"columns": []any{"a", "b"}}, "1 a=\"1\" b=\"2\"\n2 a=\"3\" b=\"4\""},
		{"a column without a name", "a,,c\n1,2,3\n", nil, `2 a="1" column 2="2" c="3"`},
		{"a last column without a name", "a,b,\n1,2,3\n", nil, `2 a="1" b="2" column 3="3"`},
		{"header and rows end with a delimiter", "a;b;\n1;2;\n3;4\n;5;\n", nil, "2 a=\"1\" b=\"2\"\n3 a=\"3\" b=\"4\"\n4 a= b=\"5\""},

		{"semicolons", "a;b\n1,5;2\n", nil, `2 a="1,5" b="2"`},
		{"tabs", "a\tb\n1,5\t2\n", nil, `2 a="1,5" b="2"`},
		{"tabs by name", "a\tb\n1,5\t2\n", settings{"delimiter": "tab"}, `2 a="1,5" b="2"`},
		{"pipes", "a|b\n1|2\n", nil, `2 a="1" b="2"`},
		{"a delimiter within quotes does not mislead", "a,\"b;c;d;e\"\n1,2\n", nil, `2 a="1" b;c;d;e="2"`},
		{
			"a broken bar of two bytes", "a¦b\n1¦ä¦\n2¦¢\n", nil,
			"3 a=\"2\" b=\"¢\"\n2 rejected by ragged_row, column -1, value \"\", cells [\"1\" \"ä\" \"\"]: the row has 3 cells where there should be 2: put quotes around a cell that contains \"¦\"",
		},
		{
			"several bytes between cells and rows", "1+|x\ny+|+&|\n2+|\"a+|\"\"b\"+|c&&|\n\n&|",
			settings{"delimiter": "+|", "record_end": "&|", "columns": []any{"a", "b", "c"}},
			"1 a=\"1\" b=\"x\\ny\" c=\"+\"\n3 a=\"2\" b=\"a+|\\\"b\" c=\"c&\"\nskipped 1",
		},

		{"windows-1252", "a,b\n1,M\xfcller \x80\n", nil, `2 a="1" b="Müller €"`},
		{"UTF-8 with a byte order mark", "\xef\xbb\xbfa,b\n1,ü\n", nil, `2 a="1" b="ü"`},
		{"the byte order mark comes before what is declared", "\xef\xbb\xbfa,b\n1,ü\n", settings{"encoding": "windows-1252"}, `2 a="1" b="ü"`},
		{"UTF-16 with a byte order mark", "\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\xfc\x00\n\x00", nil, `2 a="1" b="ü"`},
		{"UTF-16 without one", "\x00a\x00,\x00b\x00\n\x001\x00,\x00\xfc\x00\n", nil, `2 a="1" b="ü"`},
		{"iso-8859-15 as declared", "a,b\n1,\xa4\n", settings{"encoding": "iso-8859-15"}, `2 a="1" b="€"`},
		{
			"one bad cell in much UTF-8", "a,b\n1,ä\n2,ö\n3,\xfc\n", nil,
			"2 a=\"1\" b=\"ä\"\n3 a=\"2\" b=\"ö\"\n4 rejected by encoding, column 1, value \"ü\", cells [\"3\" \"ü\"]: the cell is not UTF-8: save the file as UTF-8, or set encoding to that of the whole file, most often windows-1252",
		},
		{
			"half a character in UTF-16", "\xff\xfea\x00\n\x001\x00\n\x00\x00\xd8\n\x00", nil,
			"2 a=\"1\"\n3 rejected by encoding, column 0, value \"�\", cells [\"�\"]: the cell is not utf-16le: set encoding to that of the file",
		},

		{
			"too many cells", "a,b\n1,2,3\n4,5\n", nil,
			"3 a=\"4\" b=\"5\"\n2 rejected by ragged_row, column -1, value \"3\", cells [\"1\" \"2\" \"3\"]: the row has 3 cells where there should be 2: put quotes around a cell that contains \",\"",
		},
		{
			"too few cells", "a,b\n1\n4,5\n", nil,
			"3 a=\"4\" b=\"5\"\n2 rejected by ragged_row, column -1, value \"1\", cells [\"1\"]: the row has 1 cell where there should be 2: cells are missing, or a cell with a line break has no quotes around it",
		},
		{
			"text behind a closing quote", "a,b\n1,\"2\"3\"\n4,5\n", nil,
			"3 a=\"4\" b=\"5\"\n2 rejected by stray_quote, column 1, value \"\\\"2\\\"3\\\"\", cells [\"1\" \"\\\"2\\\"3\\\"\"]: there is text behind the closing quote of cell 2: double a quote that belongs to the text",
		},
		{
			"NUL", "a,b\n1,x\x00y\n4,5\n", nil,
			"3 a=\"4\" b=\"5\"\n2 rejected by control_character, column 1, value \"x␀y\", cells [\"1\" \"x␀y\"]: the cell contains a NUL character: the file is damaged here",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.settings == nil {
				tt.settings = settings{}
			}
			tt.settings["path"] = "x.csv"
			got, err := show(t, newSource(t, write(t, map[string]string{"x.csv": tt.in}), tt.settings))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
				t.Errorf("rows of %q (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// TestGolden reads files as suppliers send them.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got, err := show(t, newSource(t, ".", map[string]any{"path": path}))
			if err != nil {
				got += err.Error() + "\n"
			}
			golden := strings.TrimSuffix(path, ".csv") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]any
		want     string
	}{
		{"no path", map[string]any{}, "path: is required: File, or pattern"},
		{"misspelt", map[string]any{"path": "x", "delimeter": ";"}, "delimeter: unknown setting, did you mean delimiter?"},
		{"empty delimiter", map[string]any{"path": "x", "delimiter": ""}, "delimiter: is empty"},
		{"line break as delimiter", map[string]any{"path": "x", "delimiter": "\n"}, "delimiter: is \"\\n\", but cannot contain a line break or a NUL"},
		{"long delimiter", map[string]any{"path": "x", "delimiter": strings.Repeat("-", 17)}, "must be 16 bytes or fewer"},
		{"quote of two characters", map[string]any{"path": "x", "quote": "''"}, `quote: is "''", but must be one ASCII character or none`},
		{"quote is the delimiter", map[string]any{"path": "x", "quote": ";", "delimiter": ";"}, "quote: stands in the delimiter"},
		{"row ends as a cell does", map[string]any{"path": "x", "delimiter": "|", "record_end": "|\n"}, "record_end: cannot be told from the delimiter"},
		{"encoding", map[string]any{"path": "x", "encoding": "utf-9"}, `encoding: "utf-9" is not known, did you mean utf-8?`},
		{"header", map[string]any{"path": "x", "header": "first"}, `header: is "first", but must be auto, none or the number of a line`},
		{"no header and no columns", map[string]any{"path": "x", "header": "none"}, "columns: is required where header is none"},
		{"header and columns", map[string]any{"path": "x", "header": "2", "columns": []any{"a"}}, "columns: name the columns of a file without a header"},
		{"column without name", map[string]any{"path": "x", "columns": []any{"a", ""}}, "columns: column 2 has no name"},
		{"column twice", map[string]any{"path": "x", "columns": []any{"a", "b", "a"}}, `columns: columns 1 and 3 are both named "a"`},
		{"more columns than allowed", map[string]any{"path": "x", "columns": []any{"a", "b"}, "max_columns": 1}, "columns: are 2, more than max_columns"},
		{"no rows in a batch", map[string]any{"path": "x", "batch_rows": -1}, "batch_rows: must be 1 or more"},
		{"endless cell", map[string]any{"path": "x", "max_cell": 1 << 30}, "max_cell: must be 268435456 (256 MiB) or less"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Type().New(tt.settings, connectors.Env{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestCheckAndDiscover(t *testing.T) {
	src := newSource(t, write(t, map[string]string{"a.csv": "x;y\n1;2\n3\n"}), map[string]any{"path": "*.csv"})
	probes := src.Check(t.Context())
	want := []connectors.Probe{
		{Name: "files", Detail: `1 found, the first is a.csv (utf-8, cells cut by ";", 2 columns)`},
		{Name: "sample", Detail: "2 rows read, 1 of them could not be cut into cells"},
	}
	if diff := cmp.Diff(want, probes); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
	src = newSource(t, write(t, map[string]string{"a.csv": "x;y\n1\n3\n"}), map[string]any{"path": "*.csv", "delimiter": ";"})
	probes = src.Check(t.Context())
	if err := probes[1].Err; err == nil || !strings.Contains(err.Error(), "a.csv:2: the row has 1 cell where there should be 2") {
		t.Errorf("a sample without a good row passes: %v", err)
	}
}

// A batch ends at its bytes too, also when these belong to rejects, and no
// reject keeps more than it may.
func TestBatchesEndAtTheirBytes(t *testing.T) {
	wide := strings.Repeat("x", 50_000)
	for _, row := range []string{"1," + wide + wide + "\n", wide + wide + "\n", "1,2," + wide + strings.Repeat("\x80", 50_000) + "\n"} {
		dir := write(t, map[string]string{"x.csv": "a,b\n1,2\n" + strings.Repeat(row, 200)})
		src := newSource(t, dir, map[string]any{"path": "x.csv", "delimiter": ",", "encoding": "utf-8"})
		total := 0
		eachBatch(t, src, func(batch *connectors.Batch) {
			if total += batch.Read(); batch.Read() > connectors.MaxBatchBytes/100_000+2 {
				t.Errorf("a batch has %d rows of 100,000 bytes", batch.Read())
			}
			for _, reject := range batch.Rejects {
				if kept := len(reject.Value) + len(strings.Join(reject.Cells, "")); kept > connectors.MaxRejectBytes || kept < connectors.MaxRejectBytes-4 {
					t.Errorf("a reject keeps %d bytes", kept)
				}
			}
		})
		if total != 201 {
			t.Errorf("%d rows, want 201", total)
		}
	}
}

func eachBatch(t testing.TB, src connectors.Source, do func(*connectors.Batch)) {
	t.Helper()
	reader, err := src.Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	for {
		batch, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		do(batch)
	}
}

func TestNextGoesOnAfterItsContextEnded(t *testing.T) {
	dir := write(t, map[string]string{"x.csv": "a,b\n" + strings.Repeat("1,2\n", 300_000)})
	reader, err := newSource(t, dir, map[string]any{"path": "x.csv"}).Open(t.Context(), connectors.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	rows, ended := int64(0), &countedContext{Context: t.Context()}
	for {
		// Each call is cut short after a few looks at its context.
		ended.left = 3
		batch, err := reader.Next(ended)
		if errors.Is(err, context.Canceled) {
			batch, err = reader.Next(t.Context())
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows += batch.Rows.NumRows()
	}
	if rows != 300_000 {
		t.Errorf("%d rows, want 300000", rows)
	}
}

// A countedContext ends after it was looked at a number of times.
type countedContext struct {
	context.Context
	left int
}

func (c *countedContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestAdventureWorks(t *testing.T) {
	dir, err := filepath.Abs("../../../shared/data/adventureworks")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the real data is not here: ", dir)
	}
	columns := func(n int) []any {
		names := make([]any, n)
		for i := range names {
			names[i] = fmt.Sprintf("c%d", i+1)
		}
		return names
	}
	for _, tt := range []struct {
		file     string
		columns  int
		rows     int64
		settings map[string]any
	}{
		{"Store.csv", 6, 701, map[string]any{"delimiter": "+|", "record_end": "&|", "quote": "none"}},
		{"ProductModel.csv", 6, 128, map[string]any{"delimiter": "+|", "record_end": "&|", "quote": "none"}},
		{"Product.csv", 25, 504, map[string]any{}},
		{"Customer.csv", 7, 19_820, map[string]any{}},
		{"ProductDescription.csv", 4, 762, map[string]any{}},
		{"ProductInventory.csv", 7, 1_069, map[string]any{"delimiter": "tab"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			tt.settings["path"], tt.settings["columns"] = tt.file, columns(tt.columns)
			if got := drain(t, newSource(t, dir, tt.settings)); got != tt.rows {
				t.Errorf("read %d rows, want %d", got, tt.rows)
			}
		})
	}
}
