package expression

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"crossdock/schemas"
)

// evalWith compiles and evaluates source over decimals named a and b.
func evalWith(t *rapid.T, source string, a, b any, typ schemas.Type) (any, error) {
	p, err := Compile(source, []Variable{{"a", typ}, {"b", typ}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.Eval(func(i int) any { return []any{a, b}[i] })
}

// ratOf returns a decimal as an exact fraction.
func ratOf(d schemas.Decimal) *big.Rat { return big.NewRat(int64(d), 1_000_000) }

// decimals draws numbers of all sizes, small ones as often as large ones.
func decimals() *rapid.Generator[schemas.Decimal] {
	return rapid.Custom(func(t *rapid.T) schemas.Decimal {
		limit := int64(1)
		for range rapid.IntRange(0, 17).Draw(t, "digits") {
			limit *= 10
		}
		return schemas.Decimal(rapid.Int64Range(-limit, limit).Draw(t, "millionths"))
	})
}

// TestDecimalsAreExact compares the operators with exact fractions.
func TestDecimalsAreExact(t *testing.T) {
	half := big.NewRat(1, 2_000_000)
	limit := ratOf(schemas.MaxDecimal)
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimals().Draw(t, "a"), decimals().Draw(t, "b")
		operator := rapid.SampledFrom([]string{"+", "-", "*", "/", "%"}).Draw(t, "operator")
		got, err := evalWith(t, "a "+operator+" b", a, b, schemas.Quantity)
		if b == 0 && (operator == "/" || operator == "%") {
			if err == nil || err.Error() != "division by zero" {
				t.Fatalf("%s %s 0 = %v, %v", a, operator, got, err)
			}
			return
		}
		exact := new(big.Rat)
		switch operator {
		case "+":
			exact.Add(ratOf(a), ratOf(b))
		case "-":
			exact.Sub(ratOf(a), ratOf(b))
		case "*":
			exact.Mul(ratOf(a), ratOf(b))
		case "/":
			exact.Quo(ratOf(a), ratOf(b))
		case "%":
			exact = ratOf(a % b)
		}
		if err != nil {
			if new(big.Rat).Abs(exact).Cmp(limit) <= 0 {
				t.Fatalf("%s %s %s: %v", a, operator, b, err)
			}
			return
		}
		difference := new(big.Rat).Sub(ratOf(got.(schemas.Decimal)), exact)
		if difference.Abs(difference).Cmp(half) > 0 {
			t.Fatalf("%s %s %s = %v, which is off by %s", a, operator, b, got, difference.FloatString(9))
		}
	})
}

// TestLiteralsAreExact writes numbers into the source, where the parser would
// make floats of them.
func TestLiteralsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := decimals().Draw(t, "a")
		got, err := evalWith(t, fmt.Sprintf("a == %s and %s in [0.5, %s] and not (a != %s)", a, a, a, a), a, a, schemas.Money)
		if err != nil || got != true {
			t.Fatalf("%s: %v, %v", a, got, err)
		}
	})
}

// TestIntegersAreExact compares the operators with numbers of any size.
func TestIntegersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		operator := rapid.SampledFrom([]string{"+", "-", "*", "%"}).Draw(t, "operator")
		got, err := evalWith(t, "a "+operator+" b", a, b, schemas.Integer)
		x, y, exact := big.NewInt(a), big.NewInt(b), new(big.Int)
		switch operator {
		case "+":
			exact.Add(x, y)
		case "-":
			exact.Sub(x, y)
		case "*":
			exact.Mul(x, y)
		case "%":
			if b == 0 {
				if err == nil {
					t.Fatalf("%d %% 0 = %v", a, got)
				}
				return
			}
			exact.Rem(x, y)
		}
		// The two smallest numbers are refused as operands of a minus.
		edge := exact.BitLen() >= 63
		switch {
		case err == nil && (!exact.IsInt64() || got != exact.Int64()):
			t.Fatalf("%d %s %d = %v, want %s", a, operator, b, got, exact)
		case err != nil && !edge && b > -1<<63:
			t.Fatalf("%d %s %d: %v, want %s", a, operator, b, err, exact)
		}
	})
}

// TestOrder holds that exactly one of less, equal and greater is true.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b any
		typ := rapid.SampledFrom([]schemas.Type{schemas.Text, schemas.Money, schemas.Integer, schemas.Timestamp}).Draw(t, "type")
		draw := func(name string) any {
			n := rapid.Int64Range(-3, 3).Draw(t, name)
			return map[schemas.Type]any{
				schemas.Text: fmt.Sprint(n), schemas.Money: schemas.Decimal(n), schemas.Integer: n, schemas.Timestamp: time.Unix(n, 0),
			}[typ]
		}
		a, b = draw("a"), draw("b")
		holds := map[string]bool{}
		for _, operator := range []string{"<", "<=", "==", "!=", ">=", ">"} {
			got, err := evalWith(t, "a "+operator+" b", a, b, typ)
			if err != nil {
				t.Fatal(err)
			}
			holds[operator] = got.(bool)
		}
		one := 0
		for _, operator := range []string{"<", "==", ">"} {
			if holds[operator] {
				one++
			}
		}
		if one != 1 || holds["<="] != !holds[">"] || holds[">="] != !holds["<"] || holds["!="] == holds["=="] {
			t.Fatalf("%v and %v: %v", a, b, holds)
		}
	})
}

// TestTextByCharacters compares the functions that count characters with the
// same on a slice of them.
func TestTextByCharacters(t *testing.T) {
	slice := func(runes []rune, from, to int64) string {
		length := int64(len(runes))
		from, to = min(max(from, 0), length), min(max(to, 0), length)
		if from >= to {
			return ""
		}
		return string(runes[from:to])
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("aäß€漢😀 "))).Draw(t, "s")
		n, from := rapid.Int64Range(-2, 12).Draw(t, "n"), rapid.Int64Range(-1, 12).Draw(t, "from")
		runes := []rune(s)
		length := int64(len(runes))
		start := max(from, 1) - 1
		for source, want := range map[string]string{
			fmt.Sprintf("left(a, %d)", n):            slice(runes, 0, n),
			fmt.Sprintf("right(a, %d)", n):           slice(runes, length-max(n, 0), length),
			fmt.Sprintf("mid(a, %d, %d)", from, n):   slice(runes, start, start+max(n, 0)),
			"text(length(a))":                        fmt.Sprint(length),
			fmt.Sprintf("pad(a, %d, \"ü\")", n):      strings.Repeat("ü", int(max(n-length, 0))) + s,
			`join(split(a, " "), " ")`:               s,
			`replace(replace(a, " ", "_"), "_", "")`: strings.ReplaceAll(s, " ", ""),
			`left(a, 3) + mid(a, 4, 999)`:            s,
		} {
			got, err := evalWith(t, source, s, s, schemas.Text)
			if err != nil || got != want || !utf8.ValidString(want) {
				t.Fatalf("%s of %q = %q, %v, want %q", source, s, got, err, want)
			}
		}
	})
}

// TestCalendar compares days and months with the calendar.
func TestCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(-200_000, 200_000).Draw(t, "day"))
		n := rapid.IntRange(-1200, 1200).Draw(t, "n")
		eval := func(source string) time.Time {
			got, err := evalWith(t, source, day, day, schemas.Date)
			if err != nil {
				t.Fatal(err)
			}
			return got.(time.Time)
		}
		if got := eval(fmt.Sprintf("addDays(addDays(a, %d), %d)", n, -n)); !got.Equal(day) {
			t.Fatalf("%d days there and back from %s is %s", n, day, got)
		}
		later := eval(fmt.Sprintf("addMonths(a, %d)", n))
		months := (later.Year()-day.Year())*12 + int(later.Month()) - int(day.Month())
		if months != n || later.Day() > day.Day() || later.Day() < day.Day() && later.AddDate(0, 0, 1).Day() != 1 {
			t.Fatalf("%d months from %s is %s", n, day, later)
		}
		if got := eval(`date(format(a, "DD.MM.YYYY"), "DD.MM.YYYY")`); !got.Equal(day) {
			t.Fatalf("%s comes back as %s", day, got)
		}
	})
}

// TestNulls holds what the documentation says of nil: it passes through what
// needs a value, and is caught by ??, first and a comparison with nil.
func TestNulls(t *testing.T) {
	for source, want := range map[string]any{
		`a + 1`:                            nil,
		`-a`:                               nil,
		`round(a, 2)`:                      nil,
		`a == 1`:                           nil,
		`not (a > 1)`:                      nil,
		`a > 1 ? 1 : 2`:                    nil,
		`true ? a : 2`:                     nil,
		`false ? a : 2`:                    schemas.Decimal(2_000_000),
		`a == nil`:                         true,
		`(a + 1) == nil`:                   true,
		`a != nil and a > 1`:               false,
		`a == nil or a > 1`:                true,
		`(a ?? 1) + (a ?? 2)`:              schemas.Decimal(3_000_000),
		`first(a, a, 4)`:                   schemas.Decimal(4_000_000),
		`first(a, a)`:                      nil,
		`max(1, a)`:                        nil,
		`text(a)`:                          nil,
		`a in [1, 2]`:                      nil,
		`1 in [1, a]`:                      true,
		`1 in [2, a]`:                      nil,
		`[text(a)]`:                        nil,
		`split(text(a), ",")[0] ?? "none"`: "none",
		`nil`:                              nil,
		`nil ?? nil`:                       nil,
		`nil == nil`:                       true,
	} {
		p, err := Compile(source, []Variable{{"a", schemas.Quantity}}, "", nil)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, err := p.Eval(func(int) any { return nil })
		if err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", source, got, err, want)
		}
	}
}

// TestErrorsPass holds that an error is never taken for a null, nor hidden by
// what comes after it.
func TestErrorsPass(t *testing.T) {
	for _, source := range []string{
		`(1 / a) ?? 2`, `first(1 / a, 2)`, `(1 / a) == nil`, `1 / a > 1 or true`, `[text(1 / a)]`, `max(1, 1 / a)`,
		`(1 / a) in [1]`, `1 in [2, 1 / a]`, `1 / a > 0 ? 1 : 2`, `-(1 / a)`, `split("a", text(1 / a))[0]`, `split("a", "b")[integer(1 / a)]`,
		`lookup("texts", "Text", text(1 / a))`, `1 + 1 / a`,
	} {
		p, err := Compile(source, []Variable{{"a", schemas.Quantity}}, "", testLookup)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		zero := func(int) any { return schemas.Decimal(0) }
		if got, err := p.Eval(zero); err == nil || err.Error() != "division by zero" {
			t.Errorf("%s = %v, %v", source, got, err)
		}
		// And the next row does not suffer from it.
		one := func(int) any { return schemas.Decimal(1_000_000) }
		if _, err := p.Eval(one); err != nil && strings.Contains(err.Error(), "zero") {
			t.Errorf("%s in the next row: %v", source, err)
		}
	}
}

// TestSharing runs one program in several goroutines.
func TestSharing(t *testing.T) {
	p, err := Compile(`a in ["1", "2"] and lookup("texts", "Text", left(a, 1), upper(a)) == ""`, []Variable{{"a", schemas.Text}}, schemas.Boolean, testLookup)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range 500 {
				s := fmt.Sprint((worker + i) % 4)
				got, err := p.Eval(func(int) any { return s })
				if want := slices.Contains([]string{"1", "2"}, s); err != nil || got != want {
					t.Errorf("%s = %v, %v", s, got, err)
				}
			}
		})
	}
	wait.Wait()
}

// TestCostIsBounded holds that an expression as large as one may be ends soon.
func TestCostIsBounded(t *testing.T) {
	variables := []Variable{{"a", schemas.Text}}
	for _, source := range []string{
		strings.Repeat(`replace(`, 300) + "a" + strings.Repeat(`, "a", "aaaaaaaa")`, 300),
		strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000),
		strings.Repeat("not ", 2000) + "true",
		strings.Repeat("-", 4000) + "1",
		"1" + strings.Repeat(" + 1", 2000),
		`join(split(pad("", 262144, "a"), ""), "bbb")`,
	} {
		begin := time.Now()
		p, err := Compile(source, variables, "", nil)
		if err == nil {
			_, _ = p.Eval(func(int) any { return "aaaa" })
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%.30s… took %s", source, took)
		}
	}
}
