package excel

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// significantDigits is how many digits of a number Excel shows and lets a
// user type. The 16th and 17th, which it stores, are the noise of binary
// fractions: 0.1+0.2 is stored as 0.30000000000000004.
const significantDigits = 15

// maxDigits bounds a number written out: the largest float64 has 309 digits.
const maxDigits = 400

// appendNumber appends the shortest plain decimal text of a stored number,
// such as 0.001 for 1E-3, and reports false when raw is no number. Whole
// numbers written in digits keep all of them, since an identifier may be
// among them.
func appendNumber(dst, raw []byte) ([]byte, bool) {
	start := len(dst)
	digits := raw
	if len(digits) > 0 && digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	point := -1
	for i, c := range digits {
		switch {
		case c >= '0' && c <= '9':
		case c == '.' && point < 0:
			point = i
		default:
			return appendFloat(dst[:start], raw)
		}
	}
	whole, fraction := digits, []byte(nil)
	if point >= 0 {
		whole, fraction = digits[:point], trimZeros(digits[point+1:])
	}
	whole = bytes.TrimLeft(whole, "0")
	if len(digits) == 0 || len(digits) == 1 && point == 0 || len(digits) > maxDigits {
		return dst[:start], false
	}
	significant := len(whole) + len(fraction)
	if len(whole) == 0 {
		significant = len(bytes.TrimLeft(fraction, "0"))
	}
	switch {
	case significant > significantDigits && len(fraction) > 0:
		return appendFloat(dst[:start], raw)
	case significant == 0:
		return append(dst[:start], '0'), true
	case len(whole) == 0:
		dst = append(dst, '0')
	}
	dst = append(dst, whole...)
	if len(fraction) > 0 {
		dst = append(append(dst, '.'), fraction...)
	}
	return dst, true
}

func trimZeros(digits []byte) []byte {
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return digits
}

// appendFloat appends a number that has an exponent or noise, as Excel would
// show it with all of its 15 digits.
func appendFloat(dst, raw []byte) ([]byte, bool) {
	f, ok := parseFloat(raw)
	if !ok {
		return dst, false
	}
	var scratch [32]byte
	s := strconv.AppendFloat(scratch[:0], f, 'e', significantDigits-1, 64)
	if s[0] == '-' {
		s = s[1:]
		if f != 0 {
			dst = append(dst, '-')
		}
	}
	e := bytes.IndexByte(s, 'e')
	exponent, _ := strconv.Atoi(string(s[e+1:]))
	var digits [significantDigits]byte
	digits[0] = s[0]
	copy(digits[1:], s[2:e])
	significant := trimZeros(digits[:])
	if len(significant) == 0 {
		return append(dst, '0'), true
	}
	whole := exponent + 1 // digits before the point
	if whole <= 0 {
		dst = append(dst, "0."...)
		dst = append(dst, strings.Repeat("0", -whole)...)
		return append(dst, significant...), true
	}
	if whole >= len(significant) {
		dst = append(dst, significant...)
		return append(dst, strings.Repeat("0", whole-len(significant))...), true
	}
	dst = append(append(dst, significant[:whole]...), '.')
	return append(dst, significant[whole:]...), true
}

// parseFloat takes what XML Schema calls a double, save INF and NaN.
func parseFloat(raw []byte) (float64, bool) {
	for _, c := range raw {
		// ParseFloat would take 0x1p4, 1_000 and inf as well.
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return f, err == nil
}

// Serial numbers of days, ECMA-376 Part 1, 18.17.4.1: in the 1900 system day
// 1 is 1 January 1900, and day 60 is 29 February 1900, which never was but is
// kept for the sake of Lotus 1-2-3; in the 1904 system day 0 is 1 January 1904.
const (
	lotusDay    = 60
	lastDay     = 2_958_465 // 31 December 9999
	days1904    = 1_462     // by which the 1904 system is behind the 1900 one
	dayMillis   = 24 * 60 * 60 * 1000
	epochOf1900 = -25_569 // 30 December 1899 in days of Unix time
)

// appendDate appends the date, or date and time, that a serial number stands
// for. A time without a date, which has a serial number below 1, is written
// alone. It reports false for a number that no date has.
func appendDate(dst, raw []byte, date1904 bool) ([]byte, bool) {
	serial, ok := parseFloat(raw)
	if !ok || serial < 0 || serial > lastDay+1 {
		return dst, false
	}
	// A float64 holds a moment of our times to the microsecond, Excel shows
	// milliseconds: what is below is noise.
	millis := int64(math.Round(serial * dayMillis))
	day, timeOfDay := millis/dayMillis, millis%dayMillis
	if day == 0 && (timeOfDay > 0 || !date1904) {
		return appendTime(dst, timeOfDay), true
	}
	if date1904 {
		day += days1904
	}
	switch {
	case day == lotusDay && !date1904, day > lastDay:
		return dst, false
	case day < lotusDay:
		day++
	}
	return appendMoment(dst, time.UnixMilli((day+epochOf1900)*dayMillis+timeOfDay).UTC()), true
}

// appendMoment appends a date, with its time where it is not midnight.
func appendMoment(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	hour, minute, second := t.Clock()
	if millis := int64(hour*3600+minute*60+second)*1000 + int64(t.Nanosecond()/1e6); millis != 0 {
		dst = appendTime(append(dst, 'T'), millis)
	}
	return dst
}

func appendTime(dst []byte, millis int64) []byte {
	format := time.TimeOnly
	if millis%1000 != 0 {
		format += ".000"
	}
	return time.UnixMilli(millis).UTC().AppendFormat(dst, format)
}

func appendDigits(dst []byte, n, width int) []byte {
	for scale := int(math.Pow10(width - 1)); scale > 0; scale /= 10 {
		dst = append(dst, byte('0'+n/scale%10))
	}
	return dst
}

// appendISODate appends a date that is stored as ISO 8601 text, type d of
// ECMA-376 Part 1, 18.18.11, in the same form as the others.
func appendISODate(dst, raw []byte) ([]byte, bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05", "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, string(raw)); err == nil {
			// The zone is left out, not applied: a sheet shows what was typed.
			return appendMoment(dst, t.Round(time.Millisecond)), true
		}
	}
	if t, err := time.Parse(time.TimeOnly, string(raw)); err == nil {
		return t.AppendFormat(dst, time.TimeOnly), true
	}
	return dst, false
}

// isDateFormat reports whether a number format shows numbers as dates or
// times: ECMA-376 Part 1, 18.8.30 for those built in, by number, of which 27
// to 36 and 50 to 58 are the dates of East Asia, and 18.8.31 for the codes.
func isDateFormat(id int, code string) bool {
	switch {
	case code != "":
		return hasDatePart(code)
	case id >= 14 && id <= 22, id >= 45 && id <= 47, id >= 27 && id <= 36, id >= 50 && id <= 58:
		return true
	}
	return false
}

// hasDatePart looks for a letter of a date in the first section of a format
// code, where it is no literal: [Red]0.00 "d" has none, [h]:mm has.
func hasDatePart(code string) bool {
	code = strings.ToLower(code)
	for i := 0; i < len(code); i++ {
		switch c := code[i]; c {
		case ';':
			return false
		case '\\', '_', '*': // the next character is a literal, a width, a filler
			i++
		case '"':
			end := strings.IndexByte(code[i+1:], '"')
			if end < 0 {
				return false
			}
			i += end + 1
		case '[':
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				return false
			}
			if inside := code[i+1 : i+end]; inside != "" && strings.Trim(inside, inside[:1]) == "" && strings.Contains("hms", inside[:1]) {
				return true // elapsed time
			}
			i += end
		case 'd', 'm', 'y', 'h', 's':
			return true
		}
	}
	return false
}
