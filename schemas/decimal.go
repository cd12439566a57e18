package schemas

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// DecimalScale is the number of digits that a [Decimal] keeps after its point.
const DecimalScale = 6

const decimalOne = 1_000_000

// A Decimal is an exact number of up to 18 digits, 6 of them after the point,
// held as a count of millionths. Amounts and quantities are never floats.
type Decimal int64

// MaxDecimal is the largest value: 999999999999.999999.
const MaxDecimal Decimal = 999_999_999_999_999_999

// The reasons why a text or a result is no Decimal.
var (
	ErrNotDecimal = errors.New("is not a decimal number")
	ErrTooFine    = errors.New("has more than 6 digits after the point")
	ErrTooLarge   = errors.New("has more than 12 digits before the point")
)

// DecimalFromInt returns n as a Decimal, or ErrTooLarge.
func DecimalFromInt(n int64) (Decimal, error) {
	if n > int64(MaxDecimal)/decimalOne || n < -int64(MaxDecimal)/decimalOne {
		return 0, ErrTooLarge
	}
	return Decimal(n * decimalOne), nil
}

// ParseDecimal reads a number with '.' as its point: "12", "-.5", "1.250000".
// It refuses exponents, grouping and blanks, and digits it would have to drop
// (zeros at the end aside), with one of the errors above.
func ParseDecimal(s string) (Decimal, error) {
	digits, negative := s, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative, digits = digits[0] == '-', digits[1:]
	}
	var value uint64
	var seen, whole int
	var fault error // that a text is no number at all outweighs its size
	point := -1
	for i := range len(digits) {
		c := digits[i]
		switch {
		case c == '.' && point < 0:
			point = i
			whole = seen
		case c < '0' || c > '9':
			return 0, ErrNotDecimal
		case point >= 0 && seen-whole >= DecimalScale:
			if c != '0' && fault == nil {
				fault = ErrTooFine
			}
			seen++
		default:
			seen++
			if value > uint64(MaxDecimal)/10 {
				fault = ErrTooLarge
				continue
			}
			value = value*10 + uint64(c-'0')
		}
	}
	if seen == 0 {
		return 0, ErrNotDecimal
	}
	if point < 0 {
		whole = seen
	}
	for range DecimalScale - min(seen-whole, DecimalScale) {
		if value > uint64(MaxDecimal)/10 {
			fault = ErrTooLarge
			break
		}
		value *= 10
	}
	switch {
	case fault != nil:
		return 0, fault
	case negative:
		return -Decimal(value), nil
	}
	return Decimal(value), nil
}

// String writes the number without zeros that say nothing: 12.5, -0.05, 3.
func (d Decimal) String() string {
	return string(d.Append(nil))
}

// Append appends what String returns to b.
func (d Decimal) Append(b []byte) []byte {
	u := uint64(d)
	if d < 0 {
		b = append(b, '-')
		u = -u
	}
	whole, fraction := u/decimalOne, u%decimalOne
	b = fmt.Append(b, whole)
	if fraction == 0 {
		return b
	}
	start := len(b)
	b = append(b, '.', 0, 0, 0, 0, 0, 0)
	for i := len(b) - 1; i > start; i-- {
		b[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// MarshalText makes a Decimal a string in JSON, where a number would be read
// as a float.
func (d Decimal) MarshalText() ([]byte, error) { return d.Append(nil), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Decimal) UnmarshalText(text []byte) error {
	v, err := ParseDecimal(string(text))
	if err != nil {
		return fmt.Errorf("%q %w", text, err)
	}
	*d = v
	return nil
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// IsInteger reports whether nothing stands after the point.
func (d Decimal) IsInteger() bool { return d%decimalOne == 0 }

// Float returns the nearest float64, for charts and sampling alone.
func (d Decimal) Float() float64 { return float64(d) / decimalOne }

// Add returns d + e, or ErrTooLarge.
func (d Decimal) Add(e Decimal) (Decimal, error) { return inRange(d + e) }

// Sub returns d - e, or ErrTooLarge.
func (d Decimal) Sub(e Decimal) (Decimal, error) { return inRange(d - e) }

// Mul returns d * e rounded half away from zero to 6 digits, or ErrTooLarge.
func (d Decimal) Mul(e Decimal) (Decimal, error) {
	return mulDiv(d, e, decimalOne)
}

// Div returns d / e rounded half away from zero to 6 digits. It returns
// ErrTooLarge, and an error of its own for a division by zero.
func (d Decimal) Div(e Decimal) (Decimal, error) {
	if e == 0 {
		return 0, errors.New("division by zero")
	}
	return mulDiv(d, decimalOne, e)
}

// Mod returns the remainder of d / e with the sign of d; an e of zero is an error.
func (d Decimal) Mod(e Decimal) (Decimal, error) {
	if e == 0 {
		return 0, errors.New("division by zero")
	}
	return d % e, nil
}

// Round rounds half away from zero to the digits given after the point. What
// would thereby leave the range of a Decimal is rounded towards zero instead.
func (d Decimal) Round(digits int) Decimal {
	if digits >= DecimalScale {
		return d
	}
	step := Decimal(math.Pow10(DecimalScale - max(digits, 0)))
	half := step / 2
	if d < 0 {
		half = -half
	}
	rounded, err := inRange((d + half) / step * step)
	if err != nil {
		return d / step * step
	}
	return rounded
}

func inRange(d Decimal) (Decimal, error) {
	if d > MaxDecimal || d < -MaxDecimal {
		return 0, ErrTooLarge
	}
	return d, nil
}

// mulDiv returns a*b/c over 128 bits, rounded half away from zero.
func mulDiv(a, b, c Decimal) (Decimal, error) {
	negative := (a < 0) != (b < 0) != (c < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	divisor := magnitude(c)
	if hi >= divisor {
		return 0, ErrTooLarge
	}
	quotient, remainder := bits.Div64(hi, lo, divisor)
	if remainder >= divisor-remainder {
		quotient++
	}
	if quotient > uint64(MaxDecimal) {
		return 0, ErrTooLarge
	}
	if negative {
		return -Decimal(quotient), nil
	}
	return Decimal(quotient), nil
}

func magnitude(d Decimal) uint64 {
	if d < 0 {
		return -uint64(d)
	}
	return uint64(d)
}
