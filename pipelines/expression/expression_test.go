package expression

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/schemas"
)

// vars are the variables of the tests: columns of a source, and fields.
func vars() ([]Variable, Row) {
	values := []struct {
		name string
		t    schemas.Type
		v    any
	}{
		{"Warengruppe", schemas.Text, "Räder>Mountain> MTB"},
		{"Art. Nr.", schemas.Text, "0017"},
		{"Leer", schemas.Text, ""},
		{"Preis", schemas.Text, "1.234,50"},
		{"Größe", schemas.Text, "12"},
		{"name.de", schemas.LocalisedText, "Rad"},
		{"weight", schemas.Quantity, dec("0.25")},
		{"pack_size", schemas.Quantity, dec("10")},
		{"position", schemas.Integer, int64(7)},
		{"active", schemas.Boolean, true},
		{"valid_from", schemas.Date, time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		{"images", schemas.List, `["a.jpg","b.jpg"]`},
		{"none", schemas.Money, nil},
		{"none_text", schemas.Text, nil},
		{"left", schemas.Text, "L"},
	}
	variables := make([]Variable, len(values))
	for i, v := range values {
		variables[i] = Variable{v.name, v.t}
	}
	return variables, func(i int) any { return values[i].v }
}

func dec(s string) schemas.Decimal {
	d, err := schemas.ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

func testLookup(table, column string, keys []string) (string, bool, error) {
	if table != "texts" {
		return "", false, errors.New("no table " + table)
	}
	if strings.Join(keys, "|") == "0017|de" && column == "Text" {
		return "Zahnrad", true, nil
	}
	if len(keys) == 1 && keys[0] == "Zahnrad" {
		return "gear", true, nil
	}
	return "", false, nil
}

func eval(t *testing.T, source string) (any, error) {
	t.Helper()
	variables, row := vars()
	p, err := Compile(source, variables, "", testLookup)
	if err != nil {
		t.Fatalf("Compile(%s): %v", source, err)
	}
	return p.Eval(row)
}

func TestValues(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateTime, s+" 00:00:00")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, tt := range []struct {
		source string
		want   any
	}{
		{`1`, int64(1)},
		{`0.1 + 0.2 == 0.3`, true},
		{`0.19`, dec("0.19")},
		{`.5 + 1`, dec("1.5")},
		{`7 / 2`, dec("3.5")},
		{`1 / 3 * 3`, dec("0.999999")},
		{`2 / 3`, dec("0.666667")},
		{`7 % 3`, int64(1)},
		{`-7 % 3`, int64(-1)},
		{`7.5 % 2`, dec("1.5")},
		{`999999999999.999999`, dec("999999999999.999999")},
		{`1_000.5`, dec("1000.5")},
		{`-weight`, dec("-0.25")},
		{`+weight`, dec("0.25")},
		{`-position * 2`, int64(-14)},
		{`pack_size % 5 == 0`, true},
		{`pack_size * 1.19`, dec("11.9")},
		{`position + weight`, dec("7.25")},
		{`weight < 1`, true},
		{`1 < position < 10`, true},
		{`1 < position < 5`, false},
		{`position >= 7.0`, true},
		{`"a" < "b"`, true},
		{`"b" <= "a"`, false},
		{`"10" == "10" and not false`, true},
		{`false or active`, true},
		{`false && (1 / 0 == 1)`, false},
		{`true || (1 / 0 == 1)`, true},
		{`!active`, false},
		{`active == true`, true},
		{`valid_from < date("2026-02-01")`, true},
		{`valid_from != date("2026-01-31")`, false},
		{`Größe == "12" ? "dozen" : "other"`, "dozen"},
		{`active ? 1 : 2.5`, dec("1")},
		{`active ? nil : 1`, nil},
		{`if active { "yes" } else { "no" }`, "yes"},
		{`column("Art. Nr.") + "-" + Größe`, "0017-12"},
		{`field("name.de")`, "Rad"},
		{`name.de`, "Rad"},
		{`left`, "L"},
		{`left(left, 1) + right("xyz", 2)`, "Lyz"},
		{`split(Warengruppe, ">")[0]`, "Räder"},
		{`split(Warengruppe, ">")[-1] | trim()`, "MTB"},
		{`split("a,b", ",")`, []string{"a", "b"}},
		{`["a", Größe]`, []string{"a", "12"}},
		{`images[1]`, "b.jpg"},
		{`length(images) == 2`, true},
		{`"a.jpg" in images`, true},
		{`Größe in ["11", "12"]`, true},
		{`Größe not in ["11", "12"]`, false},
		{`position in [1, 7.0]`, true},
		{`position in [1, position - 1, 8]`, false},
		{`(position in [7]) in [true]`, true},
		{`Warengruppe contains "Mount"`, true},
		{`Warengruppe not contains "Mount"`, false},
		{`Warengruppe contains ("Mount")`, true},
		{`Warengruppe not contains ("Mount")`, false},
		{`not contains(Warengruppe, "Mount")`, false},
		{`contains("contains(x", "(") and endsWith ("ab", "b")`, true},
		{`"ab" startsWith "a"`, true},
		{`"ab" endsWith "a"`, false},
		{`"A-12" matches "^[A-Z]-\\d+$"`, true},
		{`none == nil`, true},
		{`nil != none`, false},
		{`none != nil ? none : 3`, dec("3")},
		{`none + 1`, nil},
		{`1 / none`, nil},
		{`none > 3 or true`, nil},
		{`none ?? weight`, dec("0.25")},
		{`weight ?? 3`, dec("0.25")},
		{`none in [1]`, nil},
		{`none_text + "x"`, nil},
		{`lookup("texts", "Text", column("Art. Nr."), "de")`, "Zahnrad"},
		{`lookup("texts", "en", lookup("texts", "Text", column("Art. Nr."), "de"))`, "gear"},
		{`lookup("texts", "Text", "1", "de")`, ""},
		{`addMonths(valid_from, 1)`, day("2026-02-28")},
		{`addDays(valid_from, -31)`, day("2025-12-31")},
		{"`raw \\d`", `raw \d`},
		{"1 // a remark", int64(1)},
	} {
		t.Run(tt.source, func(t *testing.T) {
			got, err := eval(t, tt.source)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFunctions runs every row of the table in docs/pipelines.md: a function
// that stands there must have an example here, and the other way round.
func TestFunctions(t *testing.T) {
	examples := map[string][]struct {
		source string
		want   string // as text; an error begins with !
	}{
		"decimal": {
			{`decimal("12.50")`, "12.5"},
			{`decimal(Preis, "1.234,56")`, "1234.5"},
			{`decimal(" 3- ")`, "-3"},
			{`decimal("12,5O")`, `!"12,5O" is not a decimal number written as 1234.56: 'O' does not belong to it`},
			{`decimal("")`, `!"" is not a decimal number written as 1234.56`},
			{`decimal(3)`, "3"},
		},
		"integer":    {{`integer("12")`, "12"}, {`integer("12.00")`, "12"}, {`integer("12.5")`, "!12.5 is not a whole number"}, {`integer("x")`, `!"x" is not a whole number`}, {`integer(pack_size / 2)`, "5"}},
		"round":      {{`round(2.345, 2)`, "2.35"}, {`round(-2.345, 2)`, "-2.35"}, {`round(2, 0)`, "2"}, {`round(2.5, 0)`, "3"}, {`round(1.5, -3)`, "2"}, {`round(1.5, 99)`, "1.5"}},
		"min":        {{`min(1, 2.5)`, "1"}, {`min(3, 2, 1)`, "1"}},
		"max":        {{`max(1, 2.5)`, "2.5"}},
		"abs":        {{`abs(-2.5)`, "2.5"}, {`abs(2)`, "2"}},
		"text":       {{`text(12.50)`, "12.5"}, {`text(7)`, "7"}, {`text(1 == 1)`, "true"}, {`text(valid_from)`, "2026-01-31"}, {`text(["a"])`, `["a"]`}, {`text("x")`, "x"}},
		"upper":      {{`upper("äb")`, "ÄB"}},
		"lower":      {{`lower("ÄB")`, "äb"}},
		"trim":       {{"trim(\" a\u00a0\")", "a"}},
		"replace":    {{`replace("a-b-c", "-", "")`, "abc"}},
		"split":      {{`split("a>b", ">")`, `["a","b"]`}, {`split("", ">")`, `[""]`}},
		"join":       {{`join(["a", "b"], ", ")`, "a, b"}, {`join(split("a>b", ">"), "/")`, "a/b"}},
		"left":       {{`left("Räder", 2)`, "Rä"}, {`left("ab", 9)`, "ab"}, {`left("ab", -1)`, ""}},
		"right":      {{`right("Größe", 3)`, "öße"}, {`right("ab", 9)`, "ab"}, {`right("ab", 0)`, ""}},
		"mid":        {{`mid("Räder", 2, 3)`, "äde"}, {`mid("abc", 9, 1)`, ""}, {`mid("abc", 0, 2)`, "ab"}},
		"length":     {{`length("Größe")`, "5"}, {`length(["a", "b"])`, "2"}},
		"pad":        {{`pad("17", 6, "0")`, "000017"}, {`pad("1234567", 6, "0")`, "1234567"}, {`pad("1", 4, "äö")`, "äöä1"}, {`pad("1", 9000000, "0")`, "!the text grows beyond 1 MiB"}},
		"contains":   {{`contains("abc", "b")`, "true"}},
		"startsWith": {{`startsWith("abc", "b")`, "false"}},
		"endsWith":   {{`endsWith("abc", "c")`, "true"}},
		"matches":    {{`matches("A12", "^A[0-9]+$")`, "true"}},
		"extract":    {{`extract("size 12 mm", "([0-9]+) mm")`, "12"}, {`extract("size 12", "[0-9]+")`, "12"}, {`extract("x", "[0-9]+")`, ""}, {`extract("b", "(a)?b")`, ""}},
		"digits":     {{`digits("+49 (0)30-12")`, "4903012"}},
		"first":      {{`first("", Leer, "x", "y")`, "x"}, {`first("", "")`, ""}, {`first(none, 2)`, "2"}},
		"date":       {{`date("2026-11-21")`, "2026-11-21"}, {`date("21.11.2026", "DD.MM.YYYY")`, "2026-11-21"}, {`date("2026-11-21T10:30:00+02:00")`, "2026-11-21T08:30:00Z"}, {`date("31.02.2026", "DD.MM.YYYY")`, `!"31.02.2026" is no day of the calendar`}},
		"addDays":    {{`addDays(date("2026-02-28"), 1)`, "2026-03-01"}, {`addDays(date("2026-02-28"), 1000000000)`, "!more than a million days are added"}},
		"addMonths":  {{`addMonths(date("2026-01-31"), 1)`, "2026-02-28"}, {`addMonths(date("2024-03-31"), -1)`, "2024-02-29"}, {`addMonths(date("2026-11-30"), 3)`, "2027-02-28"}},
		"year":       {{`year(date("2026-11-21"))`, "2026"}},
		"format":     {{`format(date("2026-11-21"), "DD.MM.YYYY")`, "21.11.2026"}, {`format(date("2026-01-02"), "D/M/YY")`, "2/1/26"}},
		"convert":    {{`convert(decimal("250"), "GRM", "KGM")`, "0.25"}},
		"unit":       {{`unit("kg")`, "KGM"}, {`unit("Stk")`, "C62"}, {`unit("blorp")`, `!"blorp" is no unit that is known`}},
		"lookup":     {{`lookup("texts", "Text", "0017", "de")`, "Zahnrad"}, {`lookup("nowhere", "x", "y")`, "!no table nowhere"}},
	}
	page, err := os.ReadFile("../../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| function | value |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, match := range regexp.MustCompile("`([a-zA-Z]+)\\(").FindAllStringSubmatch(cell, -1) {
			if !slices.Contains(documented, match[1]) {
				documented = append(documented, match[1])
			}
		}
	}
	var known []string
	for _, f := range functions() {
		known = append(known, f.name)
		if !strings.Contains(table, strings.Split(f.usage, "), ")[0]) {
			t.Errorf("docs/pipelines.md does not write %s as %s", f.name, f.usage)
		}
	}
	if diff := cmp.Diff(documented, known); diff != "" {
		t.Errorf("functions of docs/pipelines.md and of the language differ:\n%s", diff)
	}
	for _, name := range documented {
		if len(examples[name]) == 0 {
			t.Errorf("no example for %s", name)
		}
		for _, example := range examples[name] {
			variables, row := vars()
			p, err := Compile(`text(`+example.source+`)`, variables, schemas.Text, testLookup)
			if err != nil {
				t.Errorf("%s: %v", example.source, err)
				continue
			}
			got, err := p.Eval(row)
			if err != nil {
				got = "!" + err.Error()
			}
			if got != example.want {
				t.Errorf("%s = %v, want %s", example.source, got, example.want)
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct {
		source string
		wants  schemas.Type
		want   string
	}{
		{``, "", "the expression is empty"},
		{`spilt(Warengruppe, ">")`, "", "unknown function spilt, did you mean split?"},
		{`now()`, "", "unknown function now"},
		{`count(images, # == "a")`, "", "unknown function count"},
		{`Warengrupe`, "", "unknown field Warengrupe, did you mean Warengruppe?"},
		{`column("Art.Nr.")`, "", "unknown field Art.Nr., did you mean Art. Nr.?"},
		{`column(Preis)`, "", "column needs one name in quotes (at character 1)"},
		{`column()`, "", "column needs one name in quotes (at character 1)"},
		{`upper == "x"`, "", "upper is a function and needs its values: upper(t)"},
		{`1 +`, "", "the expression ends too early (at character 3)"},
		{`Preis = "1"`, "", "unexpected =, equality is written == (at character 7)"},
		{`1 2`, "", `unexpected "2" (at character 3)`},
		{`(1`, "", "the expression ends too early (at character 2)"},
		{`"abc`, "", "a text is not closed by its quote (at character 5)"},
		{`Preis * 2`, "", "* needs numbers, and Preis is text: write decimal(…) around it (at character 7)"},
		{`Preis + 2`, "", "+ joins two texts or adds two numbers, and Preis is text beside a whole number: write text(…) around the one or decimal(…) around the other (at character 7)"},
		{`column("Art. Nr.") * 2`, "", "* needs numbers, and Art. Nr. is text: write decimal(…) around it (at character 20)"},
		{`upper(Preis) / 2`, "", "/ needs numbers, and upper(…) is text: write decimal(…) around it (at character 14)"},
		{`upper(Preis) == active`, "", "upper(…) is text and is compared with true or false (at character 14)"},
		{`weight == active`, "", "weight is a number and is compared with true or false (at character 8)"},
		{`extract(Preis, "[")`, "", "\"[\" is no pattern: missing closing ]: `[` (at character 16)"},
		{`(Preis | upper()) > 5`, "", "upper(…) is text and is compared with a whole number: write decimal(…) around the text (at character 19)"},
		{`valid_from - valid_from`, "", "- needs numbers, and valid_from is a date: days are added with addDays(d, n) (at character 12)"},
		{`active + 1`, "", "+ needs numbers, and active is true or false (at character 8)"},
		{`Preis > 5`, "", "Preis is text and is compared with a whole number: write decimal(…) around the text (at character 7)"},
		{`valid_from > "2026-01-01"`, "", "valid_from is a date and is compared with text: write date(…) around the text (at character 12)"},
		{`active > true`, "", "true or false cannot be compared with > (at character 8)"},
		{`images == images`, "", "a list cannot be compared with == (at character 8)"},
		{`none < nil`, "", "nil can be compared with == and != alone (at character 6)"},
		{`Preis ? 1 : 2`, "", "a condition must be true or false, and Preis is text (at character 1)"},
		{`active ? 1 : "x"`, "", "all values must be of one kind, and these are a whole number and text (at character 14)"},
		{`not Preis`, "", "not needs true or false, and Preis is text (at character 1)"},
		{`-Preis`, "", "- needs a number, and Preis is text (at character 1)"},
		{`Preis and active`, "", "and needs true or false on both sides, and Preis is text (at character 7)"},
		{`2 ** 3`, "", "the operator ** is not part of the language (at character 3)"},
		{`1..3`, "", "the operator .. is not part of the language (at character 2)"},
		{`let x = 1; x`, "", "an expression is a single value, without let and ; (at character 5)"},
		{`1; 2`, "", "an expression is a single value, without let and ; (at character 1)"},
		{`{a: 1}`, "", "there are no maps; to translate values, use the setting values or the function lookup (at character 1)"},
		{`Preis[0:2]`, "", "there are no slices, a part of a text is mid(t, from, n) (at character 6)"},
		{`Preis[0]`, "", "an item is taken as list[0], and Preis is text (at character 6)"},
		{`images.foo.bar`, "", `there are no members; a name with a point or a blank is written column("Art. Nr.") or field("name.de") (at character 12)`},
		{`Preis.upper()`, "", "there are no methods; write the function in front, as in upper(t) (at character 7)"},
		{`[1, 2]`, "", "a list holds texts, and this is a whole number (at character 2)"},
		{`1 in []`, "", "the list behind in is empty (at character 3)"},
		{`1 in images`, "", "in needs a text and a list, and images is a list (at character 3)"},
		{`left(Preis)`, "", "left has 1 values, and is written left(t, n) (at character 1)"},
		{`left(Preis, 1, 2)`, "", "left has 3 values, and is written left(t, n) (at character 1)"},
		{`left(Preis, 1.5)`, "", "left needs a whole number here, and this is a number: write integer(…) around it (at character 13)"},
		{`upper(weight)`, "", "upper needs text here, and weight is a number: write text(…) around it (at character 7)"},
		{`abs(Preis)`, "", "abs needs a number here, and Preis is text: write decimal(…) around it (at character 5)"},
		{`year(Preis)`, "", "year needs a date here, and Preis is text: write date(…) around it (at character 6)"},
		{`join(Preis, ",")`, "", "join needs a list here, and Preis is text: write split(…) around it (at character 6)"},
		{`matches(Preis, Größe)`, "", "matches needs a text in quotes here, and not a computed one (at character 16)"},
		{`matches(Preis, "(")`, "", "\"(\" is no pattern: missing closing ): `(` (at character 16)"},
		{`decimal(Preis, "x")`, "", `"x" does not show how numbers are written; give an example with its decimal point, such as 1.234,56 or 1234.56 (at character 16)`},
		{`date(Preis, "dd.mm.yyyy")`, "", `"dd.mm.yyyy" does not say where year, month and day stand; write it with YYYY, MM and DD, as in DD.MM.YYYY; capitals matter: MM is the month and mm the minute (at character 13)`},
		{`format(valid_from, "x")`, "", `"x" does not say where year, month and day stand; write it with YYYY, MM and DD, as in DD.MM.YYYY (at character 20)`},
		{`decimal(active)`, "", "decimal needs text, and active is true or false (at character 1)"},
		{`integer(active)`, "", "integer needs text, and active is true or false (at character 1)"},
		{`date(active)`, "", "date needs text, and active is true or false (at character 1)"},
		{`length(active)`, "", "length needs a text or a list, and active is true or false (at character 1)"},
		{`0.0000001`, "", "0.0000001 has more than 6 digits after the point (at character 1)"},
		{`1e3`, "", "1e3 is not a decimal number (at character 1)"},
		{`Preis`, schemas.Boolean, "must give true or false, and gives text (at character 1)"},
		{`nil`, schemas.Boolean, "must give true or false, and gives nil (at character 1)"},
		{`b"x"`, "", "this is not part of the language (at character 1)"},
		{`Preis ?: "x"`, "", "a condition must be true or false, and Preis is text (at character 1)"},
		{strings.Repeat("1+", 6000) + "1", "", "the expression is longer than 10000 characters"},
		{strings.Repeat("1<", 30) + "1" + strings.Repeat(" and 1", 10), "", "and needs true or false on both sides, and this is a whole number (at character 63)"},
		{nestedChains(100), "", "the expression has too many parts"},
	} {
		name := tt.source[:min(len(tt.source), 40)]
		t.Run(name, func(t *testing.T) {
			variables, _ := vars()
			_, err := Compile(tt.source, variables, tt.wants, testLookup)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("got  %v\nwant %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(tt.source) {
				t.Errorf("no place in %#v", err)
			}
		})
	}
}

// nestedChains doubles the work with every level: the grammar repeats the
// middle of a chain.
func nestedChains(levels int) string {
	s := "1"
	for range levels {
		s = "(1 < (" + s + ") < 3 ? 1 : 2)"
	}
	return s
}

func TestUnknownColumn(t *testing.T) {
	columns := []Variable{{"Artikelnummer", schemas.Text}, {"Preis", schemas.Text}}
	_, err := Compile(`Artikelnumer + Preis`, columns, "", nil)
	if want := "unknown column Artikelnumer, did you mean Artikelnummer?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Compile(`lookup("a", "b", Preis)`, columns, "", nil)
	if want := "there are no lookup tables here (at character 1)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRunErrors(t *testing.T) {
	for source, want := range map[string]string{
		`weight / (position - 7)`:                                            "division by zero",
		`position % (position - 7)`:                                          "division by zero",
		`weight % 0`:                                                         "division by zero",
		`split(Warengruppe, ">")[3]`:                                         "there is no item [3] in a list of 3",
		`split(Warengruppe, ">")[-4]`:                                        "there is no item [-4] in a list of 3",
		`999999999999 * weight * 8`:                                          "the result has more than 12 digits before the point",
		`9223372036854775807 + position`:                                     "the result has more than 18 digits",
		`-9223372036854775807 - position`:                                    "the result has more than 18 digits",
		`9223372036854775807 * position`:                                     "the result has more than 18 digits",
		`9223372036854775807 + weight`:                                       "9223372036854775807 has more than 12 digits before the point",
		`replace(pad("", 200000, "a"), "", "0123456789")`:                    "the text grows beyond 1 MiB",
		`join(split(pad("", 200000, "a"), ""), "0123456789")`:                "the text grows beyond 1 MiB",
		`pad("", 200000, "ä") + pad("", 262144, "ö") + pad("", 262144, "ü")`: "the text grows beyond 1 MiB",
		`length(images) / (position - 7)`:                                    "division by zero",
		`addMonths(valid_from, 999999)`:                                      "more than thirty thousand months are added",
	} {
		if got, err := eval(t, source); err == nil || err.Error() != want {
			t.Errorf("%s = %v, %v; want error %s", source, got, err, want)
		}
	}
}

func TestUses(t *testing.T) {
	variables := []Variable{{"a", schemas.Text}, {"b", schemas.Text}, {"c", schemas.Text}}
	p, err := Compile(`lookup("t", "x", c, b) + c`, variables, "", testLookup)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Uses(); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("Uses = %v", got)
	}
	if diff := cmp.Diff([]LookupUse{{"t", "x", 2}}, p.Lookups()); diff != "" {
		t.Error(diff)
	}
	if p.Result() != schemas.Text {
		t.Errorf("Result = %s", p.Result())
	}
}

func TestCheck(t *testing.T) {
	for source, want := range map[string]string{
		`split(Anything, ">")[0] + column("x y")`:   "",
		`contains(a, "b")`:                          "",
		`a == "x" and spilt(b, ",")[0] == upper(c)`: "unknown function spilt, did you mean split?",
		`a +`: "the expression ends too early (at character 3)",
	} {
		got := ""
		if err := Check(source); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Check(%s) = %q, want %q", source, got, want)
		}
	}
}

// TestWrongRow holds that a caller that breaks the contract of Row gets an
// error and not a wrong result.
func TestWrongRow(t *testing.T) {
	p, err := Compile("a + 1", []Variable{{"a", schemas.Money}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Eval(func(int) any { return 1.5 }); err == nil {
		t.Errorf("got %v", got)
	}
}
