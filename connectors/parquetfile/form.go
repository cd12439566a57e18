package parquetfile

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"crossdock/connectors"
	"crossdock/schemas"
)

// A form is how the values of a column are written as text. The functions
// append to dst, all but text; one of them is set, by the physical type.
type form struct {
	kind   connectors.Kind
	quoted bool // in JSON
	text   bool // the bytes are the text

	boolean func(dst []byte, v bool) []byte
	int32   func(dst []byte, v int32) []byte
	int64   func(dst []byte, v int64) []byte
	int96   func(dst []byte, v parquet.Int96) []byte
	float   func(dst []byte, v float32) []byte
	double  func(dst []byte, v float64) []byte
	bytes   func(dst, v []byte) []byte
}

const plainBytes = "holds bytes, and does not say what they are"

// maxDecimalBytes bounds the size of a decimal: 154 digits.
const maxDecimalBytes = 64

// formOf returns the form of a column, or why there is none.
func formOf(c *schema.Column, text bool) (f form, why string) {
	switch l := c.LogicalType().(type) {
	case schema.StringLogicalType, schema.EnumLogicalType, schema.JSONLogicalType:
		return form{quoted: true, text: true}, ""
	case schema.UUIDLogicalType:
		return form{quoted: true, bytes: appendUUID}, ""
	case schema.DecimalLogicalType:
		return decimalForm(c, l.Scale())
	case schema.DateLogicalType:
		return form{kind: connectors.DateCell, quoted: true, int32: func(dst []byte, days int32) []byte {
			const daySeconds = 24 * 60 * 60
			return time.Unix(int64(days)*daySeconds, 0).UTC().AppendFormat(dst, time.DateOnly)
		}}, ""
	case schema.TimeLogicalType:
		return clockForm(unitOf(l.TimeUnit())), ""
	case schema.TimestampLogicalType:
		return momentForm(unitOf(l.TimeUnit()), l.IsAdjustedToUTC()), ""
	case schema.IntLogicalType:
		return integerForm(l.IsSigned()), ""
	case schema.Float16LogicalType:
		return form{kind: connectors.NumberCell, bytes: func(dst, v []byte) []byte {
			return appendFloat(dst, float64(float16.FromBits(binary.LittleEndian.Uint16(v)).Float32()), 32)
		}}, ""
	case schema.NoLogicalType, schema.UnknownLogicalType, schema.NullLogicalType:
		return plainForm(c, text)
	default:
		return form{}, "is of type " + schemas.Shorten(l.String()) + ", which no cell can hold"
	}
}

// plainForm is that of a column of which nothing but the physical type is known.
func plainForm(c *schema.Column, text bool) (f form, why string) {
	switch c.PhysicalType() {
	case parquet.Types.Boolean:
		return form{kind: connectors.BooleanCell, boolean: strconv.AppendBool}, ""
	case parquet.Types.Int32, parquet.Types.Int64:
		return integerForm(true), ""
	case parquet.Types.Int96:
		return form{kind: connectors.DateCell, quoted: true, int96: func(dst []byte, v parquet.Int96) []byte {
			return appendMoment(dst, v.ToTime(), true)
		}}, ""
	case parquet.Types.Float:
		return form{kind: connectors.NumberCell, float: func(dst []byte, v float32) []byte { return appendFloat(dst, float64(v), 32) }}, ""
	case parquet.Types.Double:
		return form{kind: connectors.NumberCell, double: func(dst []byte, v float64) []byte { return appendFloat(dst, v, 64) }}, ""
	default:
		if text && c.PhysicalType() == parquet.Types.ByteArray {
			return form{quoted: true, text: true}, ""
		}
		return form{}, plainBytes
	}
}

func integerForm(signed bool) form {
	f := form{kind: connectors.NumberCell}
	f.int32 = func(dst []byte, v int32) []byte { return strconv.AppendInt(dst, int64(v), 10) }
	f.int64 = func(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }
	if !signed {
		f.int32 = func(dst []byte, v int32) []byte { return strconv.AppendUint(dst, uint64(uint32(v)), 10) }
		f.int64 = func(dst []byte, v int64) []byte { return strconv.AppendUint(dst, uint64(v), 10) }
	}
	return f
}

func decimalForm(c *schema.Column, scale int32) (f form, why string) {
	if c.TypeLength() > maxDecimalBytes || scale < 0 || scale > 3*maxDecimalBytes {
		return form{}, "is a decimal of more digits than a cell can hold"
	}
	digits := int(scale)
	f = form{kind: connectors.NumberCell}
	f.int32 = func(dst []byte, v int32) []byte {
		return appendDecimal(dst, strconv.AppendInt(nil, int64(v), 10), digits)
	}
	f.int64 = func(dst []byte, v int64) []byte { return appendDecimal(dst, strconv.AppendInt(nil, v, 10), digits) }
	f.bytes = func(dst, v []byte) []byte { return appendDecimal(dst, bigInteger(v).Append(nil, 10), digits) }
	return f, ""
}

// bigInteger reads two's complement, the most significant byte first.
func bigInteger(v []byte) *big.Int {
	n := new(big.Int).SetBytes(v)
	if len(v) > 0 && v[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
	}
	return n
}

// appendDecimal writes a number of which the last digits are a fraction.
func appendDecimal(dst, number []byte, scale int) []byte {
	if number[0] == '-' {
		dst, number = append(dst, '-'), number[1:]
	}
	if scale == 0 {
		return append(dst, number...)
	}
	if len(number) <= scale {
		dst = append(dst, '0', '.')
		for range scale - len(number) {
			dst = append(dst, '0')
		}
		return append(dst, number...)
	}
	dst = append(dst, number[:len(number)-scale]...)
	dst = append(dst, '.')
	return append(dst, number[len(number)-scale:]...)
}

func appendFloat(dst []byte, v float64, bits int) []byte {
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, bits)
}

func unitOf(u schema.TimeUnitType) time.Duration {
	switch u {
	case schema.TimeUnitMillis:
		return time.Millisecond
	case schema.TimeUnitMicros:
		return time.Microsecond
	default:
		return time.Nanosecond
	}
}

func clockForm(unit time.Duration) form {
	write := func(dst []byte, v int64) []byte {
		return time.Unix(0, 0).UTC().Add(time.Duration(v)*unit).AppendFormat(dst, "15:04:05.999999999")
	}
	return form{
		quoted: true, int64: write,
		int32: func(dst []byte, v int32) []byte { return write(dst, int64(v)) },
	}
}

// momentForm writes moments in UTC where they are such, and else the date and
// time that a clock somewhere showed, without zone.
func momentForm(unit time.Duration, utc bool) form {
	perSecond := int64(time.Second / unit)
	return form{kind: connectors.DateCell, quoted: true, int64: func(dst []byte, v int64) []byte {
		seconds, rest := v/perSecond, v%perSecond
		return appendMoment(dst, time.Unix(seconds, rest*int64(unit)), utc)
	}}
}

func appendMoment(dst []byte, t time.Time, utc bool) []byte {
	dst = t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999999")
	if utc {
		dst = append(dst, 'Z')
	}
	return dst
}

func appendUUID(dst, v []byte) []byte {
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		from := []int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, v[from:end])
	}
	return dst
}
