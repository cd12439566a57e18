package parquetfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
)

// readAll reads a source to its end, a line for each row and each reject. A
// cell that is no text is marked: # a number, ? a truth, @ a date.
func readAll(ctx context.Context, src connectors.Source) (string, error) {
	reader, err := src.Open(ctx, connectors.ReadRequest{})
	if err != nil {
		return "", err
	}
	defer reader.Close()
	var out strings.Builder
	for {
		b, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		for row := range int(b.Rows.NumRows()) {
			for c := range int(b.Rows.NumCols()) {
				cell := "-"
				if b.Rows.Column(c).IsValid(row) {
					cell = b.Rows.Column(c).ValueStr(row) + []string{"", "#", "?", "@"}[b.KindOf(c, row)]
				}
				fmt.Fprintf(&out, "|%s", cell)
			}
			out.WriteString("\n")
		}
		for _, r := range b.Rejects {
			fmt.Fprintf(&out, "%d: %s: %q %s\n", r.Row, r.Rule, r.Value, r.Cells)
		}
	}
}

func rowsOf(t testing.TB, content []byte) string {
	t.Helper()
	dir := write(t, map[string][]byte{"x.parquet": content})
	rows, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.parquet"}))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestValuesBecomeTextExactly(t *testing.T) {
	moment := func(utc bool, unit schema.TimeUnitType) schema.LogicalType {
		return schema.NewTimestampLogicalType(utc, unit)
	}
	fixed := func(values ...string) (list []parquet.FixedLenByteArray) {
		for _, v := range values {
			list = append(list, parquet.FixedLenByteArray(v))
		}
		return list
	}
	// Nanoseconds of the day, and the Julian day before that of 1970.
	early := parquet.NewInt96([3]uint32{uint32(86_399_500_000_000 & math.MaxUint32), 86_399_500_000_000 >> 32, 2_440_587})
	types := parquet.Types
	for _, tt := range []struct {
		name   string
		node   schema.Node
		values any
		want   string
	}{
		{"truth", required("x", schema.NoLogicalType{}, types.Boolean, 0), []bool{true, false}, "true? false?"},
		{"int32", required("x", schema.NoLogicalType{}, types.Int32, 0), []int32{math.MinInt32, 7}, "-2147483648# 7#"},
		{"uint32", required("x", schema.NewIntLogicalType(32, false), types.Int32, 0), []int32{-1, 7}, "4294967295# 7#"},
		{"int64", required("x", schema.NoLogicalType{}, types.Int64, 0), []int64{math.MinInt64, math.MaxInt64}, "-9223372036854775808# 9223372036854775807#"},
		{"uint64", required("x", schema.NewIntLogicalType(64, false), types.Int64, 0), []int64{-1, math.MinInt64}, "18446744073709551615# 9223372036854775808#"},
		{"decimal in int32", required("x", schema.NewDecimalLogicalType(9, 2), types.Int32, 0), []int32{-5, 123456}, "-0.05# 1234.56#"},
		{"decimal in int64", required("x", schema.NewDecimalLogicalType(18, 18), types.Int64, 0), []int64{1, -999999999999999999}, "0.000000000000000001# -0.999999999999999999#"},
		{"decimal without fraction", required("x", schema.NewDecimalLogicalType(18, 0), types.Int64, 0), []int64{0, 42}, "0# 42#"},
		{
			"decimal of 38 digits", required("x", schema.NewDecimalLogicalType(38, 10), types.FixedLenByteArray, 16),
			fixed("\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x3f\xff\xff\xff\xff", strings.Repeat("\xff", 16)),
			"9999999999999999999999999999.9999999999# -0.0000000001#",
		},
		{"decimal in bytes", required("x", schema.NewDecimalLogicalType(5, 1), types.ByteArray, 0), []parquet.ByteArray{{0x80}, {0x01, 0x00}}, "-12.8# 25.6#"},
		{"float", required("x", schema.NoLogicalType{}, types.Float, 0), []float32{0.1, 1e30}, "0.1# 1e+30#"},
		{"double", required("x", schema.NoLogicalType{}, types.Double, 0), []float64{12.5, 1e-9}, "12.5# 1e-09#"},
		{"no number", required("x", schema.NoLogicalType{}, types.Double, 0), []float64{math.NaN(), math.Inf(-1)}, "NaN# -Inf#"},
		{"half float", required("x", schema.Float16LogicalType{}, types.FixedLenByteArray, 2), fixed("\x00\x3e", "\x00\xc0"), "1.5# -2#"},
		{"date", required("x", schema.DateLogicalType{}, types.Int32, 0), []int32{-1, 20_000}, "1969-12-31@ 2024-10-04@"},
		{"milliseconds", required("x", moment(true, schema.TimeUnitMillis), types.Int64, 0), []int64{-1, 0}, "1969-12-31T23:59:59.999Z@ 1970-01-01T00:00:00Z@"},
		{"microseconds without zone", required("x", moment(false, schema.TimeUnitMicros), types.Int64, 0), []int64{1, 60_000_000}, "1970-01-01T00:00:00.000001@ 1970-01-01T00:01:00@"},
		{"nanoseconds", required("x", moment(true, schema.TimeUnitNanos), types.Int64, 0), []int64{math.MinInt64, 1}, "1677-09-21T00:12:43.145224192Z@ 1970-01-01T00:00:00.000000001Z@"},
		{"moments of 96 bits", required("x", schema.NoLogicalType{}, types.Int96, 0), []parquet.Int96{early, early}, "1969-12-31T23:59:59.5Z@ 1969-12-31T23:59:59.5Z@"},
		{"time of day", required("x", schema.NewTimeLogicalType(true, schema.TimeUnitMillis), types.Int32, 0), []int32{1, 86_399_000}, "00:00:00.001 23:59:59"},
		{"text", required("x", schema.StringLogicalType{}, types.ByteArray, 0), []parquet.ByteArray{[]byte("0017"), []byte("")}, "0017 "},
		{"enum", required("x", schema.EnumLogicalType{}, types.ByteArray, 0), []parquet.ByteArray{[]byte("A"), []byte("ß")}, "A ß"},
		{"JSON", required("x", schema.JSONLogicalType{}, types.ByteArray, 0), []parquet.ByteArray{[]byte("{}"), []byte("[1]")}, "{} [1]"},
		{
			"UUID", required("x", schema.UUIDLogicalType{}, types.FixedLenByteArray, 16), fixed("0123456789abcdef", strings.Repeat("\xff", 16)),
			"30313233-3435-3637-3839-616263646566 ffffffff-ffff-ffff-ffff-ffffffffffff",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := rowsOf(t, build(t, []leaf{{tt.node, []levels{{tt.values, nil, nil}}}}))
			got = strings.TrimPrefix(strings.ReplaceAll(strings.TrimSuffix(got, "\n"), "\n|", " "), "|")
			if got != tt.want {
				t.Errorf("read %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListsOfOtherTypesAreJSON(t *testing.T) {
	date := schema.MustPrimitive(schema.NewPrimitiveNodeLogical("element", parquet.Repetitions.Required, schema.DateLogicalType{}, parquet.Types.Int32, 0, -1))
	bare := schema.MustPrimitive(schema.NewPrimitiveNode("sizes", parquet.Repetitions.Repeated, parquet.Types.Int64, -1, 0))
	got := rowsOf(t, build(t, []leaf{
		{listNode("days", date), []levels{{[]int32{0, 1}, []int16{2, 2, 1, 0}, []int16{0, 1, 0, 0}}}},
		{bare, []levels{{[]int64{3, 4, 5}, []int16{1, 0, 1, 1}, []int16{0, 0, 0, 1}}}},
		{textNode("controls"), []levels{texts("a\nb", "-", "")}},
	}))
	if want := "|[\"1970-01-01\",\"1970-01-02\"]|[3]|a\nb\n|[]|[]|-\n|-|[4,5]|\n"; got != want {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestRejectsKeepTheirRow(t *testing.T) {
	long := strings.Repeat("x", maxCellBytes+1)
	got := rowsOf(t, build(t, []leaf{
		{textNode("sku"), []levels{texts("1", "2", "3", "4")}},
		{textNode("name"), []levels{texts("M\xfcller", "a\x00b", long, "good")}},
	}))
	want := "|4|good\n" + `1: encoding: "M` + "\uFFFD" + `ller" [1 M` + "\uFFFD" + "ller]\n" + `2: encoding: "a␀b" [2 a␀b]` + "\n" +
		fmt.Sprintf("3: too_long: %q [3 %s]\n", strings.Repeat("x", 200)+"…", long[:connectors.MaxRejectBytes-len(long[:200]+"…")-1])
	if got != want {
		t.Errorf("read %.600q\nwant %.600q", got, want)
	}
}

func TestColumnsOfBytesAreTextWhereTheSettingsSaySo(t *testing.T) {
	plain := schema.MustPrimitive(schema.NewPrimitiveNode("name", parquet.Repetitions.Required, parquet.Types.ByteArray, -1, 0))
	image := schema.MustPrimitive(schema.NewPrimitiveNode("image", parquet.Repetitions.Required, parquet.Types.ByteArray, -1, 0))
	dir := write(t, map[string][]byte{"x.parquet": build(t, []leaf{
		{plain, []levels{{[]parquet.ByteArray{[]byte("bolt")}, nil, nil}}},
		{image, []levels{{[]parquet.ByteArray{{0xff}}, nil, nil}}},
	})})
	got, err := readAll(t.Context(), newSource(t, dir, map[string]any{"path": "x.parquet", "text": "name", "skip": []any{"image"}}))
	if err != nil || got != "|bolt\n" {
		t.Errorf("read %q, %v; want one row of bolt", got, err)
	}
}

// The files of other programs come from github.com/apache/parquet-testing.
func TestFilesOfOtherWriters(t *testing.T) {
	for _, tt := range []struct {
		file, writer string
		settings     map[string]any
		want         string // the first row
		rows         int
	}{
		{"int96_from_spark.parquet", "Spark", nil, "|2024-01-01T20:34:56.123456Z@", 6},
		{"list_columns.parquet", "pyarrow", nil, `|[1,2,3]|["abc","efg","hij"]`, 3},
		{"datapage_v2.snappy.parquet", "parquet-mr", nil, "|abc|1#|2#|true?|[1,2,3]", 5},
		{"fixed_length_decimal_legacy.parquet", "Impala", nil, "|1.00#", 24},
		{
			"alltypes_plain.snappy.parquet", "Impala",
			map[string]any{"text": []any{"date_string_col", "string_col"}},
			"|6#|true?|0#|0#|0#|0#|0#|0#|04/01/09|0|2009-04-01T00:00:00Z@", 2,
		},
	} {
		t.Run(tt.writer+" "+tt.file, func(t *testing.T) {
			settings := map[string]any{"path": tt.file}
			maps.Copy(settings, tt.settings)
			rows, err := readAll(t.Context(), newSource(t, "testdata", settings))
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(rows, "\n"); first != tt.want || strings.Count(rows, "\n") != tt.rows {
				t.Errorf("%d rows, the first %s; want %d, %s", strings.Count(rows, "\n"), first, tt.rows, tt.want)
			}
		})
	}
}
