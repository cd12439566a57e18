package excel

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"
)

func TestNumbersBecomeTheirShortestPlainDecimalText(t *testing.T) {
	const no = "no number"
	for _, tt := range []struct{ in, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"0.0", "0"},
		{"17", "17"},
		{"-17", "-17"},
		{"0017", "17"},
		{"0.1", "0.1"},
		{".5", "0.5"},
		{"-.50", "-0.5"},
		{"5.", "5"},
		{"1.50", "1.5"},
		{"100", "100"},
		{"100.00", "100"},
		{"1E-3", "0.001"},
		{"1e-3", "0.001"},
		{"-1.5E-7", "-0.00000015"},
		{"1E+3", "1000"},
		{"1.2345E2", "123.45"},
		{"0E0", "0"},
		{"-0E0", "0"},
		{"12345678901234", "12345678901234"},
		{"1.2345678901234E13", "12345678901234"},
		{"123456789012345678", "123456789012345678"},
		{"1.23456789012346E+17", "123456789012346000"},
		{"0.30000000000000004", "0.3"},
		{"0.30000000000000004e0", "0.3"},
		{"19.989999999999998", "19.99"},
		{"-19.989999999999998", "-19.99"},
		{"2.2000000000000002", "2.2"},
		{"1234567.8900000001", "1234567.89"},
		{"0.000123456789012345", "0.000123456789012345"},
		{"123456789.012345", "123456789.012345"},
		{"99999999999999.996", "100000000000000"},
		{"1E308", "1" + strings.Repeat("0", 308)},
		{"4.9E-324", "0." + strings.Repeat("0", 323) + "494065645841247"},
		{"", no},
		{"-", no},
		{".", no},
		{"-.", no},
		{"--1", no},
		{"1-1", no},
		{"1.2.3", no},
		{"1,5", no},
		{"1 000", no},
		{"abc", no},
		{"0x1p4", no},
		{"1_000", no},
		{"NaN", no},
		{"INF", no},
		{"1E999", no},
		{"1E", no},
		{"+5", "5"},
		{strings.Repeat("9", 401), no},
	} {
		got, ok := appendNumber([]byte("> "), []byte(tt.in))
		if !ok {
			got = append(got, no...)
		}
		if string(got) != "> "+tt.want {
			t.Errorf("appendNumber(%q) = %q, want %q", tt.in, got[2:], tt.want)
		}
	}
}

// Whatever form a number is stored in, the same text comes out, and it is the
// number that Excel shows with fifteen digits.
func TestNumbersKeepFifteenDigitsInEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.Int64Range(1, 999_999_999_999_999).Draw(t, "digits")
		scale := rapid.IntRange(-5, 20).Draw(t, "scale")
		shown, err := strconv.ParseFloat(strconv.FormatInt(digits, 10)+"e"+strconv.Itoa(-scale), 64)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := appendNumber(nil, strconv.AppendFloat(nil, shown, 'f', -1, 64))
		if !ok {
			t.Fatalf("%v is no number", shown)
		}
		forms := []string{strconv.FormatFloat(shown, 'E', -1, 64), strconv.FormatFloat(shown, 'e', 16, 64)}
		if shown < 1e15 { // a whole number in digits keeps all of them
			forms = append(forms, strconv.FormatFloat(shown, 'g', 17, 64))
		}
		for _, stored := range forms {
			got, ok := appendNumber(nil, []byte(stored))
			if !ok || string(got) != string(want) {
				t.Errorf("%s gives %q, %v; want %q", stored, got, ok, want)
			}
		}
		back, err := strconv.ParseFloat(string(want), 64)
		if err != nil || strings.ContainsAny(string(want), "eE") {
			t.Fatalf("%q is no plain number: %v", want, err)
		}
		if math.Abs(back-shown) > math.Abs(shown)*1e-15 {
			t.Errorf("%v came out as %s", shown, want)
		}
	})
}

func TestSerialNumbersBecomeDates(t *testing.T) {
	const no = "no date"
	for _, tt := range []struct {
		in       string
		want     string
		want1904 string
	}{
		{"0", "00:00:00", "1904-01-01"},
		{"0.5", "12:00:00", "12:00:00"},
		{"0.573", "13:45:07.200", "13:45:07.200"},
		{"1", "1900-01-01", "1904-01-02"},
		{"59", "1900-02-28", "1904-02-29"},
		{"60", no, "1904-03-01"},
		{"61", "1900-03-01", "1904-03-02"},
		{"25569", "1970-01-01", "1974-01-02"},
		{"25568.75", "1969-12-31T18:00:00", "1974-01-01T18:00:00"},
		{"44592", "2022-01-31", "2026-02-01"},
		{"46053", "2026-01-31", "2030-02-01"},
		{"46053.572916666664", "2026-01-31T13:45:00", "2030-02-01T13:45:00"},
		{"46053.5729166667", "2026-01-31T13:45:00", "2030-02-01T13:45:00"},
		{"46053.999999999", "2026-02-01", "2030-02-02"},
		{"46053.5000057870", "2026-01-31T12:00:00.500", "2030-02-01T12:00:00.500"},
		{"4.6053E4", "2026-01-31", "2030-02-01"},
		{"2958465", "9999-12-31", no},
		{"2958465.9", "9999-12-31T21:36:00", no},
		{"2957003", "9995-12-30", "9999-12-31"},
		{"2958466", no, no},
		{"-1", no, no},
		{"1E300", no, no},
		{"text", no, no},
		{"", no, no},
	} {
		for i, want := range []string{tt.want, tt.want1904} {
			got, ok := appendDate(nil, []byte(tt.in), i == 1)
			if !ok {
				got = []byte(no)
			}
			if string(got) != want {
				t.Errorf("appendDate(%q, 1904 %v) = %q, want %q", tt.in, i == 1, got, want)
			}
		}
	}
}

func TestDatesAgreeWithExcelize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(61*86400, 2_958_465*86400).Draw(t, "seconds")
		serial := float64(seconds) / 86400
		date1904 := rapid.Bool().Draw(t, "1904")
		if date1904 {
			serial = math.Min(serial, lastDay-days1904)
		}
		want, err := excelize.ExcelDateToTime(serial, date1904)
		if err != nil {
			t.Fatal(err)
		}
		want = want.Round(time.Second)
		layout := "2006-01-02T15:04:05"
		if want.Hour() == 0 && want.Minute() == 0 && want.Second() == 0 {
			layout = time.DateOnly
		}
		got, ok := appendDate(nil, strconv.AppendFloat(nil, serial, 'g', -1, 64), date1904)
		if !ok || string(got) != want.Format(layout) {
			t.Errorf("%v is %s, %v; want %s", serial, got, ok, want.Format(layout))
		}
	})
}

func TestDatesStoredAsText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"2026-01-31", "2026-01-31"},
		{"2026-01-31T00:00:00", "2026-01-31"},
		{"2026-01-31T13:45:00", "2026-01-31T13:45:00"},
		{"2026-01-31T13:45:00Z", "2026-01-31T13:45:00"},
		{"2026-01-31T00:30:00+02:00", "2026-01-31T00:30:00"},
		{"2026-01-31T13:45", "2026-01-31T13:45:00"},
		{"2026-01-31T13:45:00.250Z", "2026-01-31T13:45:00.250"},
		{"13:45:00", "13:45:00"},
		{"31.01.2026", ""},
		{"2026-02-30", ""},
		{"", ""},
	} {
		got, ok := appendISODate(nil, []byte(tt.in))
		if ok != (tt.want != "") || string(got) != tt.want {
			t.Errorf("appendISODate(%q) = %q, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}

func TestNumberFormatsThatShowDates(t *testing.T) {
	for _, tt := range []struct {
		id   int
		code string
		want bool
	}{
		{0, "", false},
		{1, "", false},
		{2, "", false},
		{9, "", false},
		{11, "", false},
		{13, "", false},
		{14, "", true},
		{15, "", true},
		{17, "", true},
		{18, "", true},
		{20, "", true},
		{22, "", true},
		{23, "", false},
		{27, "", true},
		{36, "", true},
		{37, "", false},
		{44, "", false},
		{45, "", true},
		{46, "", true},
		{47, "", true},
		{48, "", false},
		{49, "", false},
		{50, "", true},
		{58, "", true},
		{59, "", false},
		{164, "", false},
		{-1, "", false},
		{164, "yyyy-mm-dd", true},
		{164, "DD.MM.YYYY", true},
		{164, "[$-407]d. mmmm yyyy;@", true},
		{164, "[$-F400]h:mm:ss AM/PM", true},
		{164, "[h]:mm", true},
		{164, "[mm]", true},
		{164, "[ss].00", true},
		{164, `yyyy"年"m"月"d"日"`, true},
		{164, "General", false},
		{164, "0.00", false},
		{164, "@", false},
		{164, "[Red]0.00", false},
		{164, `0.00 "d"`, false},
		{164, `0\d`, false},
		{164, "0_d", false},
		{164, "0*s", false},
		{164, `#,##0.00\ [$€-407]`, false},
		{164, "[$USD] #,##0", false},
		{164, `[<=9999999]###\-####;\(###\) ###\-####`, false},
		{164, "0;[Red]-0;d", false},
		{164, `"open`, false},
		{164, "[open", false},
		{164, `\`, false},
		{164, "[]0", false},
		{14, "0.00", false}, // a workbook may give a built-in number a code of its own
	} {
		if got := isDateFormat(tt.id, tt.code); got != tt.want {
			t.Errorf("isDateFormat(%d, %q) = %v, want %v", tt.id, tt.code, got, tt.want)
		}
	}
}
