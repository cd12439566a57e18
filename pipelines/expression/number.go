package expression

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"crossdock/schemas"
)

// A NumberFormat is a way to write numbers, given by an example of it. The
// zero value is 1234.56: a point and no grouping.
type NumberFormat struct {
	example string
	group   rune // 0: digits are not grouped; ' ' and '\'' stand for all their variants
	point   byte // 0: '.'
}

// NewNumberFormat reads an example such as 1.234,56. It must show the decimal
// point; it shows how digits are grouped where they are.
func NewNumberFormat(example string) (NumberFormat, error) {
	wrong := fmt.Errorf("%s does not show how numbers are written; give an example with its decimal point, such as 1.234,56 or 1234.56",
		schemas.QuoteShort(example))
	last := strings.LastIndexFunc(example, notDigit)
	if last < 1 || last == len(example)-1 {
		return NumberFormat{}, wrong
	}
	f := NumberFormat{example: example, point: example[last]}
	whole, fraction := example[:last], example[last+1:]
	if f.point != '.' && f.point != ',' {
		return NumberFormat{}, wrong
	}
	if first := strings.IndexFunc(whole, notDigit); first >= 0 {
		group, _ := utf8.DecodeRuneInString(whole[first:])
		f.group = groupOf(group)
		if f.group == 0 || f.group == rune(f.point) {
			return NumberFormat{}, wrong
		}
	} else if len(fraction) == 3 {
		// 1.234 may mean either of two numbers a thousandfold apart.
		return NumberFormat{}, fmt.Errorf("%s may be read in two ways; give an example with two digits after its decimal point, such as 1.234,56 or 1234.56",
			schemas.QuoteShort(example))
	}
	if _, err := f.Parse(example); err != nil {
		return NumberFormat{}, wrong
	}
	return f, nil
}

// numberExamples are the formats that people most often use.
func numberExamples() []string {
	return []string{"1234.56", "1.234,56", "1,234.56", "1 234,56", "1'234.56"}
}

// String returns the example.
func (f NumberFormat) String() string {
	if f.example == "" {
		return "1234.56"
	}
	return f.example
}

// Parse reads a number. Grouping may be left out, but where it stands it must
// be right, so that 1.23 is not read as 123. A minus may stand at the end, as
// ERP systems print it. The error is a clause that says what is wrong.
func (f NumberFormat) Parse(text string) (schemas.Decimal, error) {
	d, err := f.parse(text)
	if err == nil {
		return d, nil
	}
	return 0, f.explain(text, err)
}

// Try is Parse for whoever wants to know whether text is a number and not why
// it is none.
func (f NumberFormat) Try(text string) (schemas.Decimal, bool) {
	d, err := f.parse(text)
	return d, err == nil
}

// IsPlain reports whether numbers in this format are read by
// [schemas.ParseDecimal] as they stand.
func (f NumberFormat) IsPlain() bool { return f.group == 0 && (f.point == 0 || f.point == '.') }

func (f NumberFormat) parse(text string) (schemas.Decimal, error) {
	if f.IsPlain() {
		d, err := schemas.ParseDecimal(text)
		if err == nil || !errors.Is(err, schemas.ErrNotDecimal) {
			return d, err
		}
	}
	var buffer [64]byte
	plain, ok := f.normalise(buffer[:0], text)
	if !ok {
		return 0, schemas.ErrNotDecimal
	}
	return schemas.ParseDecimal(string(plain))
}

// normalise appends text to b with '.' as its point, its sign in front and no
// grouping. It reports false for what is no number in this format.
func (f NumberFormat) normalise(b []byte, text string) ([]byte, bool) {
	if rest, found := strings.CutSuffix(text, "-"); found {
		if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return nil, false
		}
		b, text = append(b, '-'), strings.TrimRight(rest, " ")
	} else if rest, found := strings.CutPrefix(text, "\u2212"); found { // the typographic minus
		b, text = append(b, '-'), rest
	}
	point := f.point
	if point == 0 {
		point = '.'
	}
	inGroup, groups, fraction := 0, 0, false
	for i := 0; i < len(text); {
		c := text[i]
		size := 1
		switch {
		case c >= '0' && c <= '9':
			b = append(b, c)
			inGroup++
		case i == 0 && (c == '-' || c == '+') && len(b) == 0:
			b = append(b, c)
		case c == point && !fraction:
			if groups > 0 && inGroup != 3 {
				return nil, false
			}
			fraction, groups = true, 0
			b = append(b, '.')
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(text[i:])
			atEdge := groups > 0 && inGroup != 3 || groups == 0 && (inGroup == 0 || inGroup > 3)
			if fraction || f.group == 0 || groupOf(r) != f.group || atEdge {
				return nil, false
			}
			// Nobody groups the digits of a number below one: 0.069 under 1.234,56
			// is a number written the other way, and not sixty-nine.
			if groups == 0 && leadingZero(b) {
				return nil, false
			}
			groups++
			inGroup = 0
		}
		i += size
	}
	return b, groups == 0 || inGroup == 3
}

// leadingZero reports whether the first digit of b, behind a sign, is zero.
func leadingZero(b []byte) bool {
	digits := bytes.TrimLeft(b, "+-")
	return len(digits) > 0 && digits[0] == '0'
}

// groupOf returns the separator of digits that r is a variant of, or 0.
func groupOf(r rune) rune {
	switch r {
	case '.', ',', ' ', '\'':
		return r
	case '\u00a0', '\u202f', '\u2009': // blanks that do not break a line
		return ' '
	case '\u2019':
		return '\''
	}
	return 0
}

// explain says why text is no number in this format, and in which it would be.
func (f NumberFormat) explain(text string, err error) error {
	if !errors.Is(err, schemas.ErrNotDecimal) {
		return err
	}
	base := "is not a decimal number written as " + f.String()
	if IsScientific(text) {
		return fmt.Errorf("%s, but in scientific notation", base)
	}
	for _, r := range text {
		if r == '%' || unicode.Is(unicode.Sc, r) || unicode.IsLetter(r) {
			return fmt.Errorf("%s: %q does not belong to it", base, r)
		}
	}
	var fits []string
	for _, example := range numberExamples() {
		// The examples are right by construction, and a test holds them so.
		other, _ := NewNumberFormat(example)
		if _, err := other.parse(text); err != nil || example == f.String() {
			continue
		}
		fits = append(fits, example)
		if len(fits) == 2 || other.IsPlain() {
			break
		}
	}
	if len(fits) > 0 {
		return fmt.Errorf("%s, but looks like %s", base, strings.Join(fits, " or "))
	}
	return errors.New(base)
}

// IsScientific reports whether text is a number such as 4.00638E+12, the form
// in which spreadsheets show, and export, a long article number.
func IsScientific(text string) bool {
	e := strings.LastIndexAny(text, "eE")
	if e < 1 || e+2 >= len(text) || text[e+1] != '+' && text[e+1] != '-' {
		return false
	}
	mantissa := strings.TrimLeft(text[:e], "+-")
	if at := strings.IndexAny(mantissa, ".,"); at > 0 {
		mantissa = mantissa[:at] + mantissa[at+1:]
	}
	return mantissa != "" && strings.IndexFunc(mantissa, notDigit) < 0 && strings.IndexFunc(text[e+2:], notDigit) < 0
}

func notDigit(r rune) bool { return r < '0' || r > '9' }
