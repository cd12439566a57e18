package expression

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"pgregory.net/rapid"

	"crossdock/schemas"
)

func TestNumberFormat(t *testing.T) {
	for _, tt := range []struct{ format, text, want string }{
		{"1234.56", "12", "12"},
		{"1234.56", ".0000", "0"},
		{"1234.56", "-.5", "-0.5"},
		{"1234.56", "+3", "3"},
		{"1234.56", "12-", "-12"},
		{"1234.56", "12.50 -", "-12.5"},
		{"1234.56", "\u221212", "-12"},
		{"1234.56", "-12-", "!is not a decimal number written as 1234.56"},
		{"1234.56", "-", "!is not a decimal number written as 1234.56"},
		{"1234.56", "", "!is not a decimal number written as 1234.56"},
		{"1234.56", "1 234", "!is not a decimal number written as 1234.56, but looks like 1 234,56"},
		{"1234.56", "12,50", "!is not a decimal number written as 1234.56, but looks like 1.234,56 or 1 234,56"},
		{"1234.56", "1.234,56", "!is not a decimal number written as 1234.56, but looks like 1.234,56"},
		{"1234.56", "1,234.56", "!is not a decimal number written as 1234.56, but looks like 1,234.56"},
		{"1234.56", "12,5O", "!is not a decimal number written as 1234.56: 'O' does not belong to it"},
		{"1234.56", "19 %", "!is not a decimal number written as 1234.56: '%' does not belong to it"},
		{"1234.56", "€ 5", "!is not a decimal number written as 1234.56: '€' does not belong to it"},
		{"1234.56", "4.00638E+12", "!is not a decimal number written as 1234.56, but in scientific notation"},
		{"1234.56", "0.0000001", "!has more than 6 digits after the point"},
		{"1234.56", "1234567890123", "!has more than 12 digits before the point"},
		{"1.234,56", "1234,56", "1234.56"},
		{"1.234,56", "1.234,56", "1234.56"},
		{"1.234,56", "0.069", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "-00.123", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "1.234.567", "1234567"},
		{"1.234,56", "1.234,56-", "-1234.56"},
		{"1.234,56", "-1.234,56", "-1234.56"},
		{"1.234,56", ",5", "0.5"},
		{"1.234,56", "1,234.56", "!is not a decimal number written as 1.234,56, but looks like 1,234.56"},
		{"1.234,56", "1.23,4", "!is not a decimal number written as 1.234,56"},
		{"1.234,56", "1.23", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "1234.567", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "1..234", "!is not a decimal number written as 1.234,56"},
		{"1.234,56", ".234", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "-.234", "!is not a decimal number written as 1.234,56, but looks like 1234.56"},
		{"1.234,56", "1,234,567", "!is not a decimal number written as 1.234,56, but looks like 1,234.56"},
		{"1.234,56", "1,2.345", "!is not a decimal number written as 1.234,56"},
		{"1,234.56", "12,345,678.9", "12345678.9"},
		{"1 234,56", "1\u202f234,56", "1234.56"},
		{"1 234,56", "1\u00a0234\u00a0567,5", "1234567.5"},
		{"1 234,56", "12345 678,5", "!is not a decimal number written as 1 234,56"},
		{"1'234.56", "1’234.56", "1234.56"},
		{"1'234.56", "1'234'567.50", "1234567.5"},
		{"1234,56", "12,5", "12.5"},
		{"1234,56", "1.234,5", "!is not a decimal number written as 1234,56, but looks like 1.234,56"},
	} {
		f, err := NewNumberFormat(tt.format)
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.Parse(tt.text)
		got := d.String()
		if err != nil {
			got = "!" + err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: Parse(%q) = %s, want %s", tt.format, tt.text, got, tt.want)
		}
	}
	for _, example := range []string{"", "x", "1234", "1.234", "1,234", "1.234.56", "12.34,56", "1;234,56", "€1.234,56", ",5", "1234.", "1 234"} {
		if f, err := NewNumberFormat(example); err == nil {
			t.Errorf("NewNumberFormat(%q) = %v", example, f)
		}
	}
}

// written writes a number in a format, as an ERP system would.
func written(f NumberFormat, d schemas.Decimal, grouped bool) string {
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(d.String(), "-"), ".")
	if grouped && f.group != 0 {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + string(f.group) + whole[i:]
		}
	}
	s := whole
	if dotted {
		point := f.point
		s += string(rune(point)) + fraction
	}
	if d < 0 {
		return "-" + s
	}
	return s
}

func TestNumbersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := NewNumberFormat(rapid.SampledFrom(numberExamples()).Draw(t, "format"))
		if err != nil {
			t.Fatal(err)
		}
		want := schemas.Decimal(rapid.Int64Range(-int64(schemas.MaxDecimal), int64(schemas.MaxDecimal)).Draw(t, "millionths"))
		s := written(f, want, rapid.Bool().Draw(t, "grouped"))
		got, err := f.Parse(s)
		if err != nil || got != want {
			t.Fatalf("%s: Parse(%q) = %s, %v, want %s", f, s, got, err, want)
		}
		trailing := strings.TrimPrefix(s, "-") + "-"
		if got, err := f.Parse(trailing); err != nil || got != -max(want, -want) {
			t.Fatalf("%s: Parse(%q) = %s, %v", f, trailing, got, err)
		}
	})
}

// FuzzNumber holds that a number is never read as another one: what is read,
// written again without grouping, has the digits of the text.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1.234,56", "1,234.56", "12-", "1 234,56", "1'234.5", "-.5", "00012", "1e5", "\u2212 5", "1.23.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, example := range numberExamples() {
			format, err := NewNumberFormat(example)
			if err != nil {
				t.Fatal(err)
			}
			d, err := format.Parse(s)
			if err != nil {
				if err.Error() == "" || strings.Contains(err.Error(), "\n") {
					t.Errorf("message %q", err)
				}
				continue
			}
			digitsOf := func(s string) string {
				return strings.Trim(strings.Map(func(r rune) rune {
					if notDigit(r) {
						return -1
					}
					return r
				}, s), "0")
			}
			if digitsOf(d.String()) != digitsOf(s) {
				t.Errorf("%s: %q is read as %s", example, s, d)
			}
		}
	})
}

func TestDateFormat(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pattern, text string
		time, day     string // day: as time where empty
	}{
		{"", "2026-11-21", "2026-11-20T23:00:00Z", "2026-11-21"},
		{"", "20261121", "2026-11-20T23:00:00Z", "2026-11-21"},
		{"", "2026-11-21T10:30", "2026-11-21T09:30:00Z", "2026-11-21"},
		{"", "2026-07-21 10:30:15", "2026-07-21T08:30:15Z", "2026-07-21"},
		{"", "2026-07-21T10:30:15.123456789", "2026-07-21T08:30:15.123456789Z", "2026-07-21"},
		{"", "2026-07-21T10:30:15Z", "2026-07-21T10:30:15Z", "2026-07-21"},
		{"", "2026-07-21T23:30:15Z", "2026-07-21T23:30:15Z", "2026-07-22"},
		{"", "2026-07-21T10:30:15-0500", "2026-07-21T15:30:15Z", "2026-07-21"},
		{"", "2026-07-21 10:30:15 +02", "2026-07-21T08:30:15Z", "2026-07-21"},
		{"", "20260721T10:30:15+05:45", "2026-07-21T04:45:15Z", "2026-07-21"},
		{"", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z", "2026-03-29"}, // in the gap of daylight saving
		{"", "2026-02-29", "!is no day of the calendar", ""},
		{"", "2024-02-29", "2024-02-28T23:00:00Z", "2024-02-29"},
		{"", "2026-13-01", "!is no day of the calendar", ""},
		{"", "2026-01-01T24:00:00", "!has a time beyond 23:59:59", ""},
		{"", "0000-00-00", "!is no day of the calendar; where zeros stand for no date, map them in values to nothing", ""},
		{"", "00000000", "!is no day of the calendar; where zeros stand for no date, map them in values to nothing", ""},
		{"", "21.11.2026", "!is not a date written as YYYY-MM-DD", ""},
		{"", "46347", "!is not a date written as YYYY-MM-DD, but looks like the day number of a spreadsheet", ""},
		{"", "2026-1-1", "!is not a date written as YYYY-MM-DD", ""},
		{"", "2026-01-01T", "!is not a date written as YYYY-MM-DD", ""},
		{"", "2026-01-01T1", "!is not a date written as YYYY-MM-DD", ""},
		{"", "2026-01-01T10:00+25:00", "!is not a date written as YYYY-MM-DD", ""},
		{"", "2026-01-01T10:00:0", "!is not a date written as YYYY-MM-DD", ""},
		{"", "2026-01/01", "!is not a date written as YYYY-MM-DD", ""},
		{"DD.MM.YYYY", "21.11.2026", "2026-11-20T23:00:00Z", "2026-11-21"},
		{"DD.MM.YYYY", "1.1.2026", "!is not a date written as DD.MM.YYYY", ""},
		{"DD.MM.YYYY", "31.04.2026", "!is no day of the calendar", ""},
		{"DD.MM.YYYY", "21.11.2026x", "!is not a date written as DD.MM.YYYY", ""},
		{"D.M.YY", "1.2.68", "2068-01-31T23:00:00Z", "2068-02-01"},
		{"D.M.YY", "11.12.69", "1969-12-10T23:00:00Z", "1969-12-11"},
		{"YYYYMMDD", "20261121", "2026-11-20T23:00:00Z", "2026-11-21"},
		{"DD.MM.YYYY HH:mm:ss", "21.07.2026 08:05:09", "2026-07-21T06:05:09Z", "2026-07-21"},
		{"D/M/YYYY H:mm", "1/7/2026 8:05", "2026-07-01T06:05:00Z", "2026-07-01"},
		{"YYYY-MM-DD um HHhmm", "2026-07-01 um 08h05", "2026-07-01T06:05:00Z", "2026-07-01"},
	} {
		f := DateFormat{}
		if tt.pattern != "" {
			if f, err = NewDateFormat(tt.pattern); err != nil {
				t.Fatal(err)
			}
		}
		moment, err := f.Time(tt.text, berlin)
		got := moment.UTC().Format(time.RFC3339Nano)
		if err != nil {
			got = "!" + err.Error()
		}
		if got != tt.time {
			t.Errorf("%s: Time(%q) = %s, want %s", f, tt.text, got, tt.time)
		}
		day, err := f.Day(tt.text, berlin)
		got = day.Format(time.DateOnly)
		if err != nil {
			got = "!" + err.Error()
		}
		want := tt.day
		if want == "" {
			want = tt.time
		}
		if got != want {
			t.Errorf("%s: Day(%q) = %s, want %s", f, tt.text, got, want)
		}
	}
	for pattern, want := range map[string]string{
		"MM.YYYY":       `"MM.YYYY" does not say where year, month and day stand; write it with YYYY, MM and DD, as in DD.MM.YYYY`,
		"DD.MM.YYYY DD": `"DD.MM.YYYY DD" names DD twice`,
		"":              `"" does not say where year, month and day stand; write it with YYYY, MM and DD, as in DD.MM.YYYY`,
	} {
		if _, err := NewDateFormat(pattern); err == nil || err.Error() != want {
			t.Errorf("NewDateFormat(%q): %v, want %s", pattern, err, want)
		}
	}
}

func TestDatesComeBack(t *testing.T) {
	patterns := []string{"DD.MM.YYYY HH:mm:ss", "YYYYMMDD HHmmss", "M/D/YYYY H:mm:ss", "YYYY-MM-DDTHH:mm:ss"}
	rapid.Check(t, func(t *rapid.T) {
		f, err := NewDateFormat(rapid.SampledFrom(patterns).Draw(t, "pattern"))
		if err != nil {
			t.Fatal(err)
		}
		// From the year 1 to 9999.
		want := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), 0).UTC()
		s := f.Format(want)
		got, err := f.Time(s, time.UTC)
		if err != nil || !got.Equal(want) {
			t.Fatalf("%s: %q is read as %s, %v, want %s", f, s, got, err, want)
		}
		got, err = DateFormat{}.Time(want.Format(time.RFC3339), time.UTC)
		if err != nil || !got.Equal(want) {
			t.Fatalf("ISO: %s is read as %s, %v", want, got, err)
		}
	})
}

// FuzzDate holds that what is read as a day is one of the calendar, and that
// reading never panics.
func FuzzDate(f *testing.F) {
	for _, s := range []string{"2026-11-21", "21.11.2026", "2026-11-21T10:00:00.5+01:00", "20260230", "1.1.26", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, pattern := range []string{"", "DD.MM.YYYY", "D.M.YY H:mm"} {
			format := DateFormat{}
			if pattern != "" {
				var err error
				if format, err = NewDateFormat(pattern); err != nil {
					t.Fatal(err)
				}
			}
			day, err := format.Day(s, time.UTC)
			if err != nil {
				continue
			}
			if day.Year() < 1 || day.Year() > 10_000 || day.Hour() != 0 {
				t.Errorf("%s: %q is read as %s", format, s, day)
			}
			if pattern == "DD.MM.YYYY" && format.Format(day) != s {
				t.Errorf("%s: %q is read as %s", format, s, format.Format(day))
			}
		}
	})
}

// FuzzCompile holds that no source makes the compiler or a program panic.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`a + "x"`, `weight % 2 == 0`, `first(a, nil)`, `split(a, ">")[0]`, `a in ["x"]`, `1 < weight < 3`, `lookup("t", "c", a)`, `not contains(a, "(")`, `if a == "" { nil } else { 1 }`, `column("a")`, `a?.b`, `[1:2]`, `#`, `a | upper()`} {
		f.Add(s)
	}
	variables := []Variable{{"a", schemas.Text}, {"weight", schemas.Quantity}, {"n", schemas.Integer}}
	row := func(i int) any { return []any{"12", schemas.Decimal(2_500_000), nil}[i] }
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Compile(s, variables, "", testLookup)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || strings.Contains(e.Message, "\n") && !strings.Contains(s, "\n") {
				t.Errorf("%q: %#v", s, err)
			}
			return
		}
		if checked := Check(s); checked != nil {
			t.Errorf("%q compiles, but Check says %v", s, checked)
		}
		_, _ = p.Eval(row)
	})
}
