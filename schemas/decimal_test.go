package schemas

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		err      error
	}{
		{"0", "0", nil},
		{"-0", "0", nil},
		{"+1", "1", nil},
		{"12", "12", nil},
		{"-.5", "-0.5", nil},
		{"1.", "1", nil},
		{"1.250000", "1.25", nil},
		{"1.2500000000000000000000000000", "1.25", nil},
		{"0000000000000000000000000000001", "1", nil},
		{"0.000001", "0.000001", nil},
		{"-0.000001", "-0.000001", nil},
		{"999999999999.999999", "999999999999.999999", nil},
		{"-999999999999.999999", "-999999999999.999999", nil},
		{"999999999999.9999990", "999999999999.999999", nil},
		{"0.0000001", "", ErrTooFine},
		{"1.0000005", "", ErrTooFine},
		{"1000000000000", "", ErrTooLarge},
		{"999999999999999999999999", "", ErrTooLarge},
		{"1000000000000.0000001", "", ErrTooLarge},
		{"", "", ErrNotDecimal},
		{"-", "", ErrNotDecimal},
		{".", "", ErrNotDecimal},
		{"-.", "", ErrNotDecimal},
		{"--1", "", ErrNotDecimal},
		{"1.2.3", "", ErrNotDecimal},
		{"1,5", "", ErrNotDecimal},
		{" 1", "", ErrNotDecimal},
		{"1e3", "", ErrNotDecimal},
		{"12,5O", "", ErrNotDecimal},
		{"0x10", "", ErrNotDecimal},
		{"NaN", "", ErrNotDecimal},
		{"١٢", "", ErrNotDecimal}, // digits, but none of ours
		// No number at all, however long: not "too large", which would misguide.
		{"12345678901234567890ABC", "", ErrNotDecimal},
		{"0.12345678 EUR", "", ErrNotDecimal},
	} {
		got, err := ParseDecimal(tt.in)
		if !errors.Is(err, tt.err) {
			t.Errorf("ParseDecimal(%q) error = %v, want %v", tt.in, err, tt.err)
			continue
		}
		if err == nil && got.String() != tt.want {
			t.Errorf("ParseDecimal(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func must(t testing.TB, s string) Decimal {
	t.Helper()
	d, err := ParseDecimal(s)
	if err != nil {
		t.Fatalf("%q %v", s, err)
	}
	return d
}

func TestDecimalArithmetic(t *testing.T) {
	const largest = "999999999999.999999"
	for _, tt := range []struct{ x, op, y, want string }{
		{"1.5", "+", "2.25", "3.75"},
		{largest, "+", "0.000001", ErrTooLarge.Error()},
		{"-" + largest, "-", "0.000001", ErrTooLarge.Error()},
		{"1", "-", "1.000001", "-0.000001"},
		{"0.1", "*", "0.2", "0.02"},
		{"0.000001", "*", "0.5", "0.000001"}, // half away from zero
		{"-0.000001", "*", "0.5", "-0.000001"},
		{"0.000001", "*", "0.4", "0"},
		{"1000000", "*", "1000000", ErrTooLarge.Error()},
		{largest, "*", "1", largest},
		{largest, "*", "-1", "-" + largest},
		{"1", "/", "3", "0.333333"},
		{"2", "/", "3", "0.666667"},
		{"-2", "/", "3", "-0.666667"},
		{"1", "/", "0", "division by zero"},
		{largest, "/", "0.1", ErrTooLarge.Error()},
		{"7", "%", "3", "1"},
		{"-7", "%", "3", "-1"},
		{"0.3", "%", "0.1", "0"}, // floats would say 0.1
		{"1", "%", "0", "division by zero"},
	} {
		x, y := must(t, tt.x), must(t, tt.y)
		op := map[string]func(Decimal) (Decimal, error){"+": x.Add, "-": x.Sub, "*": x.Mul, "/": x.Div, "%": x.Mod}[tt.op]
		got, err := op(y)
		text := got.String()
		if err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s %s %s = %s, want %s", tt.x, tt.op, tt.y, text, tt.want)
		}
	}
}

func TestDecimalRound(t *testing.T) {
	for _, tt := range []struct {
		in     string
		digits int
		want   string
	}{
		{"1.25", 1, "1.3"},
		{"-1.25", 1, "-1.3"},
		{"1.2499", 1, "1.2"},
		{"1.5", 0, "2"},
		{"-0.5", 0, "-1"},
		{"0.499999", 0, "0"},
		{"1.234567", 6, "1.234567"},
		{"1.234567", 9, "1.234567"},
		{"15", -1, "15"},
		// Rounding up would need a thirteenth digit.
		{"999999999999.999999", 2, "999999999999.99"},
		{"-999999999999.999999", 0, "-999999999999"},
	} {
		if got := must(t, tt.in).Round(tt.digits); got.String() != tt.want {
			t.Errorf("Round(%s, %d) = %s, want %s", tt.in, tt.digits, got, tt.want)
		}
	}
}

func TestDecimalSmallThings(t *testing.T) {
	if d, err := DecimalFromInt(-12); err != nil || d.String() != "-12" {
		t.Errorf("DecimalFromInt(-12) = %s, %v", d, err)
	}
	for _, n := range []int64{1_000_000_000_000, -1_000_000_000_000, math.MaxInt64, math.MinInt64} {
		if _, err := DecimalFromInt(n); !errors.Is(err, ErrTooLarge) {
			t.Errorf("DecimalFromInt(%d) error = %v, want %v", n, err, ErrTooLarge)
		}
	}
	if s := must(t, "-3").Sign(); s != -1 {
		t.Errorf("Sign(-3) = %d", s)
	}
	if s := must(t, "0.1").Sign() + Decimal(0).Sign(); s != 1 {
		t.Errorf("signs of 0.1 and 0 add up to %d", s)
	}
	if must(t, "1.5").IsInteger() || !must(t, "15").IsInteger() {
		t.Error("IsInteger is wrong about 1.5 or 15")
	}
	if f := must(t, "1.5").Float(); f != 1.5 {
		t.Errorf("Float(1.5) = %v", f)
	}
}

func TestDecimalInJSON(t *testing.T) {
	type row struct {
		Price Decimal `json:"price"`
	}
	text, err := json.Marshal(row{must(t, "12.50")})
	if err != nil || string(text) != `{"price":"12.5"}` {
		t.Errorf("Marshal = %s, %v", text, err)
	}
	var r row
	if err := json.Unmarshal([]byte(`{"price":"-0.000001"}`), &r); err != nil || r.Price != -1 {
		t.Errorf("Unmarshal = %s, %v", r.Price, err)
	}
	if err := json.Unmarshal([]byte(`{"price":"12,5"}`), &r); !errors.Is(err, ErrNotDecimal) || !strings.Contains(err.Error(), `"12,5"`) {
		t.Errorf("Unmarshal of 12,5: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"price":12.5}`), &r); err == nil {
		t.Error("a number, which most read as a float, is taken for a decimal")
	}
}

func anyDecimal(t *rapid.T, name string) Decimal {
	// Small numbers meet the edges of rounding, large ones those of the range.
	limit := rapid.SampledFrom([]int64{10, 1000, 5_000_000, 1e12, int64(MaxDecimal)}).Draw(t, name+" limit")
	return Decimal(rapid.Int64Range(-limit, limit).Draw(t, name))
}

func TestDecimalTextIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDecimal(t, "d")
		back, err := ParseDecimal(d.String())
		if err != nil || back != d {
			t.Fatalf("ParseDecimal(%s) = %s, %v", d, back, err)
		}
		exact := new(big.Rat).SetFrac64(int64(d), decimalOne)
		if written, ok := new(big.Rat).SetString(d.String()); !ok || written.Cmp(exact) != 0 {
			t.Fatalf("%d millionths are written %s", int64(d), d)
		}
	})
}

// Products and quotients are what big.Rat says, rounded half away from zero.
func TestDecimalAgreesWithBig(t *testing.T) {
	million := big.NewRat(decimalOne, 1)
	rat := func(d Decimal) *big.Rat { return new(big.Rat).SetFrac64(int64(d), decimalOne) }
	check := func(t *rapid.T, op string, x, y, got Decimal, err error, exact *big.Rat) {
		want, wantErr := roundRat(exact.Mul(exact, million))
		if !errors.Is(err, wantErr) || got != want {
			t.Fatalf("%s %s %s = %s, %v; want %s, %v", x, op, y, got, err, want, wantErr)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyDecimal(t, "x"), anyDecimal(t, "y")
		sum, err := x.Add(y)
		check(t, "+", x, y, sum, err, new(big.Rat).Add(rat(x), rat(y)))
		difference, err := x.Sub(y)
		check(t, "-", x, y, difference, err, new(big.Rat).Sub(rat(x), rat(y)))
		product, err := x.Mul(y)
		check(t, "*", x, y, product, err, new(big.Rat).Mul(rat(x), rat(y)))
		if y == 0 {
			return
		}
		quotient, err := x.Div(y)
		check(t, "/", x, y, quotient, err, new(big.Rat).Quo(rat(x), rat(y)))
		rest, err := x.Mod(y)
		if err != nil || magnitude(rest) >= magnitude(y) || rest != 0 && rest.Sign() != x.Sign() || (x-rest)%y != 0 {
			t.Fatalf("%s %% %s = %s, %v", x, y, rest, err)
		}
	})
}

func TestDecimalRoundIsNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, digits := anyDecimal(t, "d"), rapid.IntRange(0, DecimalScale).Draw(t, "digits")
		step := Decimal(math.Pow10(DecimalScale - digits))
		got := d.Round(digits)
		if got%step != 0 {
			t.Fatalf("Round(%s, %d) = %s has more digits", d, digits, got)
		}
		if off := magnitude(got - d); 2*off > uint64(step) && magnitude(d)+uint64(step) < uint64(MaxDecimal) {
			t.Fatalf("Round(%s, %d) = %s is not the nearest", d, digits, got)
		}
		if magnitude(got) > uint64(MaxDecimal) {
			t.Fatalf("Round(%s, %d) = %s leaves the range", d, digits, got)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-1.5", "+.5", "999999999999.999999", "1e5", "1.0000000", "abc", "١", "--", "00.10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		exact, isNumber := new(big.Rat).SetString(s)
		plain := isNumber && strings.Trim(s, "+-.0123456789") == "" && strings.ContainsAny(s, "0123456789")
		if err != nil {
			if d != 0 {
				t.Errorf("ParseDecimal(%q) = %s beside an error", s, d)
			}
			if plain == errors.Is(err, ErrNotDecimal) {
				t.Errorf("ParseDecimal(%q) error = %v, but that it is a number is %t", s, err, plain)
			}
			return
		}
		if !plain || new(big.Rat).SetFrac64(int64(d), decimalOne).Cmp(exact) != 0 {
			t.Errorf("ParseDecimal(%q) = %s", s, d)
		}
	})
}
