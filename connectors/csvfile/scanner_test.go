package csvfile

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crossdock/connectors"
)

// A cutRow is one row as it was cut.
type cutRow struct {
	Line   int64
	Offset int64 // of the byte behind it
	Cells  []string
	Stray  int
}

// cutAll cuts a whole text, from an offset and line on.
func cutAll(src io.Reader, f format, offset, line int64, size int) ([]cutRow, error) {
	scan := newScanner(src, f, offset, line, size)
	var rows []cutRow
	for {
		row := cutRow{Line: scan.line}
		cells, err := scan.row(context.Background())
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row.Offset, row.Stray = scan.offset(), scan.stray
		for _, cell := range cells {
			row.Cells = append(row.Cells, string(scan.buf[cell.Start:cell.End]))
		}
		rows = append(rows, row)
	}
}

func commas() format { return format{delimiter: ",", quote: '"', quoting: true} }

// FuzzCSV holds the scanner to three things, whatever it reads: it cuts as
// encoding/csv does where that accepts the text; it cuts alike whatever the
// size of its buffer and of what it is given at a time; and it goes on behind
// any row as if it had read all those before.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,\"b\"\r\n\"\"\"\",\n", "\"a\nb\",c\n\nd", "a\"b,c\n", "\"a\"b,c\n", "\"a", "a,\"b\"\"", "\r\r\n,\r", "\"\"", ",", "\xff,\x00\n",
		"1+|2&|\r\n3+|\"&|\"&|", "+&|+|&&|+", "\"a\"\"\"+|\n&|\n", strings.Repeat("abcdefg,", 40) + "\n" + strings.Repeat("\"\"", 70),
	} {
		f.Add([]byte(seed), uint16(7))
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint16) {
		if len(text) > 1_000 {
			return // every row is gone on from, which takes the square of the rows
		}
		agreesWithStandard(t, text)
		for _, form := range []format{commas(), {delimiter: "+|", recordEnd: "&|", quote: '"', quoting: true}, {delimiter: ";;"}, {delimiter: "a&|b", recordEnd: "&|"}} {
			small := 1 + int(size)%200
			want, wantErr := cutAll(bytes.NewReader(text), form, 0, 1, len(text)+1)
			got, gotErr := cutAll(iotest.OneByteReader(bytes.NewReader(text)), form, 0, 1, small)
			if diff := cmp.Diff(want, got); diff != "" || message(wantErr) != message(gotErr) {
				t.Fatalf("%+v: with a buffer of %d bytes, error %v, want %v\n%s", form, small, gotErr, wantErr, diff)
			}
			for i, row := range want {
				line := int64(1) // of the next row
				if i+1 < len(want) {
					line = want[i+1].Line
				} else if wantErr != nil {
					break
				}
				rest, err := cutAll(bytes.NewReader(text[row.Offset:]), form, row.Offset, line, small)
				if diff := cmp.Diff(want[i+1:], rest, sameWhenEmpty()); diff != "" || message(err) != message(wantErr) {
					t.Fatalf("%+v: from offset %d on, error %v, want %v\n%s", form, row.Offset, err, wantErr, diff)
				}
			}
		}
	})
}

func sameWhenEmpty() cmp.Option {
	return cmp.Comparer(func(x, y []cutRow) bool {
		return slices.EqualFunc(x, y, func(a, b cutRow) bool {
			return a.Line == b.Line && a.Offset == b.Offset && a.Stray == b.Stray && slices.Equal(a.Cells, b.Cells)
		})
	})
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// agreesWithStandard compares with encoding/csv. That one does not know a CR
// that stands alone, turns CRLF in quotes into LF, and passes over empty lines.
func agreesWithStandard(t *testing.T, text []byte) {
	t.Helper()
	if bytes.IndexByte(text, '\r') >= 0 {
		return
	}
	standard := csv.NewReader(bytes.NewReader(text))
	standard.FieldsPerRecord = -1
	var want []cutRow
	for {
		cells, err := standard.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return
		}
		line, _ := standard.FieldPos(0)
		want = append(want, cutRow{Line: int64(line), Cells: cells, Stray: -1})
	}
	got, err := cutAll(bytes.NewReader(text), commas(), 0, 1, 64)
	if err != nil {
		t.Fatalf("%q: error is %v, encoding/csv accepts it", text, err)
	}
	before := int64(0)
	got = slices.DeleteFunc(got, func(row cutRow) bool {
		empty := row.Offset-before <= 1 && len(row.Cells) == 1 && row.Cells[0] == ""
		before = row.Offset
		return empty
	})
	for i := range got {
		got[i].Offset = 0
	}
	if diff := cmp.Diff(want, got, sameWhenEmpty()); diff != "" {
		t.Fatalf("%q (-encoding/csv +ours):\n%s", text, diff)
	}
}

// FuzzRead reads whole files of any content: that ends in rows or in an error
// that names the file, and the size of the batches does not matter.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a;b\n1;2\n", "\xff\xfea\x00\n\x001\x00", "\xef\xbb\xbfa\n\n1", "sep=|\na|b\n1|", "a,b,\n1,\xff,\n\x00", "\x1f\x8b", "Title\n\na,b,c\n1,2,3\n1,2,3\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) == 0 {
			return
		}
		dir := write(t, map[string]string{"x.csv": string(content)})
		read := func(rows int) (out string) {
			out, err := show(t, newSource(t, dir, map[string]any{"path": "x.csv", "batch_rows": rows}))
			if err != nil {
				if actionable, ok := errors.AsType[*connectors.Error](err); !ok || actionable.Place.Resource != "x.csv" {
					t.Fatalf("the error does not name the file: %v", err)
				}
				return err.Error()
			}
			// Within a batch the rejects are shown behind the rows.
			lines := strings.Split(out, "\n")
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
		if diff := cmp.Diff(read(8_000), read(1)); diff != "" {
			t.Fatalf("%q (-one batch +a batch for each row):\n%s", content, diff)
		}
	})
}

// Whatever encoding/csv writes is read back as it was.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	cell := rapid.StringOf(rapid.RuneFrom([]rune("ab,;\"\n äß漢\t'")))
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 2), 1, 30).Draw(t, "rows")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		if err := w.WriteAll(want); err != nil {
			t.Fatal(err)
		}
		size := rapid.IntRange(1, 300).Draw(t, "size")
		rows, err := cutAll(&text, commas(), 0, 1, size)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, row := range rows {
			got = append(got, row.Cells)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("rows (-written +read):\n%s", diff)
		}
	})
}

func TestValidUTF8AgreesWithStandard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"a", "12345678", "ä", "漢", "🙂", "\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80",
		})).Draw(t, "parts"), ""))
		if got, want := validUTF8(text), utf8.Valid(text); got != want {
			t.Fatalf("validUTF8(%q) = %v, want %v", text, got, want)
		}
	})
}

func TestReadingFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, src := range map[string]io.Reader{
		"at once": iotest.ErrReader(broken), "later": io.MultiReader(strings.NewReader("a,b\n1"), iotest.ErrReader(broken)),
	} {
		_, err := cutAll(src, commas(), 0, 1, 64)
		if !errors.Is(err, broken) {
			t.Errorf("%s: error is %v, want %v", name, err, broken)
		}
	}
	_, err := cutAll(idle{}, commas(), 0, 1, 64)
	if err == nil || !strings.Contains(err.Error(), "nothing comes") {
		t.Errorf("a source that never gives anything: error is %v", err)
	}
}

// idle gives neither text nor error, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
