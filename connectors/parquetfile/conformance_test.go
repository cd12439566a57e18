package parquetfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
	"crossdock/connectors/connectortest"
)

// product is a file of two row groups with what a reader meets: nulls, a group,
// lists of every kind, and text that is none.
func product(t testing.TB, options ...parquet.WriterProperty) []byte {
	amount := schema.MustPrimitive(schema.NewPrimitiveNodeLogical("amount", parquet.Repetitions.Optional, schema.NewDecimalLogicalType(18, 6), parquet.Types.Int64, 0, -1))
	price := schema.MustGroup(schema.NewGroupNode("price", parquet.Repetitions.Optional, schema.FieldList{amount}, -1))
	return build(t, []leaf{
		{textNode("sku"), []levels{texts("0017", "0018", "0019", "\xff"), texts("0021", "Größe", "0023")}},
		{price, []levels{
			{[]int64{12_500_000}, []int16{2, 1, 0, 0}, nil},
			{[]int64{-1, 0}, []int16{2, 2, 0}, nil},
		}},
		{listNode("tags", textNode("element")), []levels{
			{[]parquet.ByteArray{[]byte("a"), []byte(`b"`), []byte("c")}, []int16{3, 3, 0, 1, 2, 3}, []int16{0, 1, 0, 0, 0, 1}},
			{[]parquet.ByteArray{[]byte("d")}, []int16{0, 3, 1}, []int16{0, 0, 0}},
		}},
	}, options...)
}

func TestConformance(t *testing.T) {
	other := build(t, []leaf{
		{listNode("tags", textNode("element")), []levels{{[]parquet.ByteArray{}, []int16{0, 1}, []int16{0, 0}}}},
		{textNode("sku"), []levels{texts("0030", "-")}},
		{required("price.amount", schema.NewIntLogicalType(64, false), parquet.Types.Int64, 0), []levels{{[]int64{-1, 5}, nil, nil}}},
	})
	dir := write(t, map[string][]byte{"a.parquet": product(t), "b.parquet": other})
	const null = connectortest.Null
	h := connectortest.Harness{
		Type: Type(),
		New: func(t testing.TB) connectors.Source {
			return newSource(t, dir, map[string]any{"path": "*.parquet"})
		},
		Columns: []string{"sku", "price.amount", "tags"},
		Rows: []connectortest.Row{
			{Place: "a.parquet:1", Cells: []string{"0017", "12.500000", `["a","b\""]`}},
			{Place: "a.parquet:2", Cells: []string{"0018", null, null}},
			{Place: "a.parquet:3", Cells: []string{"0019", null, "[]"}},
			{Place: "a.parquet:5", Cells: []string{"0021", "-0.000001", null}},
			{Place: "a.parquet:6", Cells: []string{"Größe", "0.000000", `["d"]`}},
			{Place: "a.parquet:7", Cells: []string{"0023", null, "[]"}},
			{Place: "b.parquet:1", Cells: []string{"0030", "18446744073709551615", null}},
			{Place: "b.parquet:2", Cells: []string{null, "5", "[]"}},
		},
		Rejects: []connectortest.Reject{{Place: "a.parquet:4", Rule: "encoding"}},
	}
	h.LargeRows = 400_000
	large := filepath.Join(t.TempDir(), "large.parquet")
	writeProducts(t, large, int(h.LargeRows))
	h.Large = func(t testing.TB) connectors.Source { return newSource(t, ".", map[string]any{"path": large}) }
	for _, fault := range brokenSources(t) {
		dir := write(t, fault.files)
		h.Malformed = append(h.Malformed, connectortest.Malformed{
			Name: fault.name, Message: fault.want,
			New: func(t testing.TB) connectors.Source { return newSource(t, dir, fault.settings) },
		})
	}
	connectortest.Run(t, h)
	t.Run("within an archive", func(t *testing.T) {
		packed := write(t, map[string][]byte{"all.zip": []byte(connectortest.Zipped(t, map[string]string{
			"a.parquet": string(product(t)), "b.parquet": string(other), "readme.txt": "no table",
		}))})
		h := h.Within("all.zip")
		h.New = func(t testing.TB) connectors.Source {
			return newSource(t, packed, map[string]any{"path": "all.zip", "member": "*.parquet"})
		}
		connectortest.Run(t, h)
	})
}

// Other ways to pack and encode take other ways through the library, which
// must end at the same rows.
func TestEncodingsAreRead(t *testing.T) {
	want := rowsOf(t, product(t))
	for name, options := range map[string][]parquet.WriterProperty{
		"plain":                  {parquet.WithDictionaryDefault(false)},
		"delta of bytes":         {parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("sku", parquet.Encodings.DeltaByteArray)},
		"delta of lengths":       {parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("sku", parquet.Encodings.DeltaLengthByteArray)},
		"delta of numbers":       {parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("price.amount", parquet.Encodings.DeltaBinaryPacked)},
		"snappy":                 {parquet.WithCompression(compress.Codecs.Snappy)},
		"gzip":                   {parquet.WithCompression(compress.Codecs.Gzip)},
		"zstd":                   {parquet.WithCompression(compress.Codecs.Zstd)},
		"brotli":                 {parquet.WithCompression(compress.Codecs.Brotli)},
		"lz4":                    {parquet.WithCompression(compress.Codecs.Lz4Raw)},
		"pages of version 2":     {parquet.WithDataPageVersion(parquet.DataPageV2)},
		"a page for each values": {parquet.WithDataPageSize(1), parquet.WithBatchSize(1)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rowsOf(t, product(t, options...)); got != want {
				t.Errorf("read\n%swant\n%s", got, want)
			}
		})
	}
}

// writeProducts writes n products in row groups of 100,000.
func writeProducts(t testing.TB, path string, n int) {
	t.Helper()
	const perGroup = 100_000
	leaves := []leaf{
		{node: textNode("sku")},
		{node: textNode("name")},
		{node: required("price", schema.NewDecimalLogicalType(18, 6), parquet.Types.Int64, 0)},
		{node: required("stock", schema.NoLogicalType{}, parquet.Types.Int32, 0)},
	}
	for from := 0; from < n; from += perGroup {
		var skus, names []string
		var prices []int64
		var stock []int32
		for i := from; i < min(from+perGroup, n); i++ {
			skus = append(skus, fmt.Sprintf("A-%07d", i))
			names = append(names, fmt.Sprintf("Sechskantschraube M8 × %d, %s", i, strings.Repeat("verzinkt ", 12)))
			prices = append(prices, int64(i)*10_000)
			stock = append(stock, int32(i%5000))
		}
		leaves[0].groups = append(leaves[0].groups, texts(skus...))
		leaves[1].groups = append(leaves[1].groups, texts(names...))
		leaves[2].groups = append(leaves[2].groups, levels{prices, nil, nil})
		leaves[3].groups = append(leaves[3].groups, levels{stock, nil, nil})
	}
	if err := os.WriteFile(path, build(t, leaves, parquet.WithCompression(compress.Codecs.Snappy)), 0o600); err != nil {
		t.Fatal(err)
	}
}
