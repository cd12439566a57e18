package schemas

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"pgregory.net/rapid"
)

func TestKnownCodeIsWrittenAsTheStandardDoes(t *testing.T) {
	for _, tt := range []struct {
		list    CodeList
		known   string
		unknown string
	}{
		{Currencies, "EUR USD CHF JPY KWD XCG ZWG XAD XAU XXX CLF", "eur € Euro DEM HRK BGN ZWL EURO EU"},
		{Units, "C62 H87 KGM MTR MTK LTR DZN EA HUR XCT XPX XBX X1A 2U P1 KPA MTQ NPR", "c62 kg KG ST CT BX PCE Stk XQZ KTM XX"},
		{Countries, "DE FR GB US CH AX SS", "de UK EL DEU XK EU D"},
		{Languages, "de en fr-CA zh-Hant pt-BR es-419 gsw sr-Latn-RS", "DE de_DE de-de deu german xx-YY und "},
		{"unheard of", "", "EUR"},
	} {
		for code := range strings.FieldsSeq(tt.known) {
			if !KnownCode(tt.list, code) {
				t.Errorf("KnownCode(%s, %q) = false", tt.list, code)
			}
			if hint := CodeHint(tt.list, code); hint != "" {
				t.Errorf("CodeHint(%s, %q) = %q for a code that is known", tt.list, code, hint)
			}
		}
		for code := range strings.FieldsSeq(tt.unknown) {
			if KnownCode(tt.list, code) {
				t.Errorf("KnownCode(%s, %q) = true", tt.list, code)
			}
		}
		if KnownCode(tt.list, "") || KnownCode(tt.list, " ") {
			t.Errorf("KnownCode(%s) of nothing = true", tt.list)
		}
	}
}

func TestCodeListsAreWhole(t *testing.T) {
	packages := 0
	for code := range unitTable().byCode {
		if len(code) == 3 && code[0] == 'X' {
			packages++
		}
	}
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"ISO 4217", len(currencyTable().byCode), 178},
		{"ISO 3166-1", len(countryTable().codes), 249},
		{"ISO 3166-1 alpha-3", len(countryTable().alpha3), 249},
		{"Rec 21", packages, 378},
		{"Rec 20 and 21", len(unitTable().byCode), 1827 + 378},
	} {
		if tt.got != tt.want {
			t.Errorf("%s has %d codes, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// The list of countries and the digits of currencies must be what the Unicode
// CLDR, an independent copy, has; where they differ we say why.
func TestCodeListsAgreeWithCLDR(t *testing.T) {
	for code, alpha2 := range countryTable().alpha3 {
		region, err := language.ParseRegion(alpha2)
		if err != nil || region.ISO3() != code {
			t.Errorf("%s: CLDR has alpha-3 %s (%v), we have %s", alpha2, region.ISO3(), err, code)
		}
	}
	later := " XCG ZWG XAD SLE VED VES UYW MRU STN " // younger than the CLDR that is compiled in
	for code, digits := range currencyTable().byCode {
		if strings.Contains(later, " "+code+" ") {
			continue
		}
		unit, err := currency.ParseISO(code)
		if err != nil {
			t.Errorf("%s: %v", code, err)
			continue
		}
		// The CLDR deviates from ISO 4217 for currencies whose coins are out of use, as Iraq's.
		scale, _ := currency.Standard.Rounding(unit)
		if digits > 2 && code != "IQD" && scale != digits {
			t.Errorf("%s has %d digits, CLDR has %d", code, digits, scale)
		}
	}
}

func TestCodeHint(t *testing.T) {
	for _, tt := range []struct {
		list     CodeList
		in, want string
	}{
		{Currencies, "eur", "EUR"},
		{Currencies, "€", "EUR"},
		{Currencies, " Euro ", "EUR"},
		{Currencies, "$", "USD"},
		{Currencies, "SFr.", "CHF"},
		{Currencies, "Pound Sterling", "GBP"},
		{Currencies, "RMB", "CNY"},
		{Currencies, "QQQ", ""},
		{Units, "kgm", "KGM"},
		{Units, "Stk", "C62"},
		{Units, "Kilogrm", "KGM"},
		{Units, "Kartn", "XCT"},
		{Units, "KTM", "KMT"},
		{Units, "Blub", ""},
		{Countries, "de", "DE"},
		{Countries, "DEU", "DE"},
		{Countries, "Deutschland", "DE"},
		{Countries, "Allemagne", "DE"},
		{Countries, "Germania", "DE"},
		{Countries, "Alemania", "DE"},
		{Countries, "Duitsland", "DE"},
		{Countries, "UK", "GB"},
		{Countries, "Atlantis", ""},
		{Languages, "DE", "de"},
		{Languages, "de_DE", "de-DE"},
		{Languages, "deu", "de"},
		{Languages, "German", "de"},
		{Languages, "deutsch", "de"},
		{Languages, "Français", "fr"},
		{Languages, "inglese", "en"},
		{Languages, "D", "de"},
		{Languages, "???", ""},
		{"unheard of", "eur", ""},
	} {
		want := tt.want
		if want != "" {
			want = ", did you mean " + want + "?"
		}
		if got := CodeHint(tt.list, tt.in); got != want {
			t.Errorf("CodeHint(%s, %q) = %q, want %q", tt.list, tt.in, got, want)
		}
	}
	const withdrawn = ", which ISO 4217 has withdrawn, did you mean EUR?"
	for _, code := range []string{"DEM", "hrk", "BGN"} {
		if got := CodeHint(Currencies, code); got != withdrawn {
			t.Errorf("CodeHint(%q) = %q, want %q", code, got, withdrawn)
		}
	}
}

func TestUnitCode(t *testing.T) {
	for want, texts := range map[string]string{
		"C62": "Stk|STK|Stk.|ST|st|Stück|STÜCK|Stueck|pcs|PCS|pc|PCE|pce|pièce|Pièces|pezzo|PZ|pza|piezas|ud|UD.|unidad|stuks|C62| C62 ",
		"KGM": "kg|KG|Kg.|KGS|kilo|Kilogramm|chilogrammo|KGM|kgm",
		"GRM": "g|G|gr|Gramm",
		"TNE": "t|to|TO|Tonne|tonnes|metric ton",
		"MTR": "m|M|mtr|Meter|mètre|metri",
		"LM":  "lfm|Lfm.|laufmeter|metro lineare",
		"MTK": "m²|m2|M2|qm|Quadratmeter|mq",
		"MTQ": "m³|m3|cbm|mètre cube",
		"LTR": "l|L|Liter|litro|LT",
		"MLT": "ml|ML",
		"XCT": "Karton|KAR|carton|CTN|cartone|kartons",
		"XBX": "box|BX|boîte|scatola|doos|caja",
		"XPK": "Pack|PAK|VE|VPE|Packung|confezione|paquet",
		"XPX": "Palette|pallet|PAL|bancale",
		"XRO": "Rolle|ROL|rouleau|rotolo",
		"XBO": "Flasche|bottle|bouteille|botella|fles",
		"PR":  "Paar|pair|paire|paio|PAA|PR",
		"SET": "Set|Satz|jeu|SET",
		"DZN": "Dutzend|dozen|dz|DZN",
		"CEN": "hundert|100 Stk|% Stück",
		"MIL": "Tsd|TSD|mille|1000 Stück",
		"HUR": "h|H|Std|STD|Stunden|heure",
		"MON": "Monat|month|mois|MON",
		"EA":  "EA|ea|each",
		"INH": `Zoll|inch|"|in`,
		"KWH": "kWh|KWH",
		"P1":  "%",
	} {
		for text := range strings.SplitSeq(texts, "|") {
			if got, ok := UnitCode(text); got != want || !ok {
				t.Errorf("UnitCode(%q) = %q, %t, want %q", text, got, ok, want)
			}
		}
	}
	// What means different units in different mouths is not understood.
	for _, text := range []string{"", " ", "ton", "fl oz", "cwt", "mt", "Pfund", "blub", "dag", ".", "0"} {
		if got, ok := UnitCode(text); ok {
			t.Errorf("UnitCode(%q) = %q, want none", text, got)
		}
	}
}

// A spelling that stood under two codes would mean what the later line says.
func TestUnitSpellingsAreUnambiguous(t *testing.T) {
	seen := map[string]string{}
	for _, file := range []string{"units.txt", "packages.txt"} {
		codeLines(file, func(cells []string) {
			if len(cells) == 1 {
				return
			}
			if want := map[string]int{"units.txt": 4, "packages.txt": 3}[file]; len(cells) != want {
				t.Errorf("%s: %s has %d cells, want %d", file, cells[0], len(cells), want)
			}
			for spelling := range strings.SplitSeq(cells[len(cells)-1], ", ") {
				s := squeeze(strings.TrimPrefix(spelling, "!"))
				if s == "" {
					continue
				}
				if other, dup := seen[s]; dup && other != file+cells[0] {
					t.Errorf("%q stands for %s and %s", spelling, other, file+cells[0])
				}
				seen[s] = file + cells[0]
			}
		})
	}
}

func TestCurrencyDigits(t *testing.T) {
	for code, want := range map[string]int{"EUR": 2, "USD": 2, "JPY": 0, "ISK": 0, "KRW": 0, "CLP": 0, "KWD": 3, "TND": 3, "IQD": 3, "CLF": 4, "UYW": 4, "MGA": 2} {
		if got, ok := CurrencyDigits(code); got != want || !ok {
			t.Errorf("CurrencyDigits(%s) = %d, %t, want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"XAU", "XXX", "XDR", "eur", "DEM", ""} {
		if got, ok := CurrencyDigits(code); ok {
			t.Errorf("CurrencyDigits(%q) = %d, want none", code, got)
		}
	}
}

func TestConvertUnit(t *testing.T) {
	for _, tt := range []struct {
		x, from, to, want, wantErr string
	}{
		{"1500", "GRM", "KGM", "1.5", ""},
		{"-1500", "GRM", "KGM", "-1.5", ""},
		{"1", "LBR", "KGM", "0.453592", ""},
		{"1", "ONZ", "GRM", "28.349523", ""},
		{"16", "ONZ", "LBR", "1", ""},
		{"14", "LBR", "STI", "1", ""},
		{"2000", "LBR", "STN", "1", ""},
		{"2240", "LBR", "LTN", "1", ""},
		{"5760", "GRN", "LBT", "1", ""},
		{"24", "GRN", "DWT", "1", ""},
		{"5", "CTM", "GRM", "1", ""},
		{"12", "INH", "FOT", "1", ""},
		{"3", "FOT", "YRD", "1", ""},
		{"1760", "YRD", "SMI", "1", ""},
		{"2.54", "CMT", "INH", "1", ""},
		{"144", "INK", "FTK", "1", ""},
		{"9", "FTK", "YDK", "1", ""},
		{"1", "HAR", "MTK", "10000", ""},
		{"1728", "INQ", "FTQ", "1", ""},
		{"27", "FTQ", "YDQ", "1", ""},
		{"231", "INQ", "GLL", "1", ""},
		{"4", "QTL", "GLL", "1", ""},
		{"2", "PTL", "QTL", "1", ""},
		{"128", "OZA", "GLL", "1", ""},
		{"160", "OZI", "GLI", "1", ""},
		{"8", "PTI", "GLI", "1", ""},
		{"8", "GLI", "BUI", "1", ""},
		{"42", "GLL", "BLL", "1", ""},
		{"64", "PTD", "BUA", "1", ""},
		{"1", "MTQ", "LTR", "1000", ""},
		{"250", "MLT", "LTR", "0.25", ""},
		{"3", "DZN", "C62", "36", ""},
		{"12", "C62", "DZN", "1", ""},
		{"1", "GGR", "GRO", "12", ""},
		{"1", "PR", "H87", "2", ""},
		{"1", "MIL", "CEN", "10", ""},
		{"1", "WEE", "HUR", "168", ""},
		{"1", "ANN", "MON", "12", ""},
		{"1", "KWH", "3B", "3.6", ""},
		{"2", "XCT", "XCT", "2", ""},
		{"1", "C62", "DZN", "0.083333", ""},
		{"0.000001", "MTR", "KMT", "", "0.000001 MTR in KMT: has more than 6 digits after the point"},
		{"999999999999", "KMT", "MMT", "", "999999999999 KMT in MMT: has more than 12 digits before the point"},
		{"1", "KGM", "MTR", "", "KGM cannot be converted to MTR: one is a unit of mass, the other of length"},
		{"1", "MON", "DAY", "", "MON cannot be converted to DAY: one is a unit of calendar, the other of time"},
		{"1", "XCT", "C62", "", "XCT cannot be converted to C62: one of them has no fixed size"},
		{"1", "XCT", "XPX", "", "XCT cannot be converted to XPX: neither has a fixed size"},
		{"1", "kg", "GRM", "", `kg cannot be converted to GRM: "kg" is no code of UN/ECE Rec 20, did you mean KGM?`},
		{"1", "Blub", "Blub", "", `Blub cannot be converted to Blub: "Blub" is no code of UN/ECE Rec 20`},
	} {
		x, err := ParseDecimal(tt.x)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ConvertUnit(x, tt.from, tt.to)
		if msg := errText(err); msg != tt.wantErr {
			t.Errorf("ConvertUnit(%s, %s, %s) error = %q, want %q", tt.x, tt.from, tt.to, msg, tt.wantErr)
		}
		if err == nil && got.String() != tt.want {
			t.Errorf("ConvertUnit(%s, %s, %s) = %s, want %s", tt.x, tt.from, tt.to, got, tt.want)
		}
	}
	if _, err := ConvertUnit(1, "MTR", "KMT"); !errors.Is(err, ErrTooFine) {
		t.Errorf("too fine a result is %v, want ErrTooFine", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// There and back is where one began, as far as 6 digits of the coarser unit reach.
func TestConvertUnitThereAndBack(t *testing.T) {
	var sized []string
	for code, u := range unitTable().byCode {
		if u.dimension != "" {
			sized = append(sized, code)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.SampledFrom(sized).Draw(t, "from"), rapid.SampledFrom(sized).Draw(t, "to")
		x := Decimal(rapid.Int64Range(-int64(MaxDecimal), int64(MaxDecimal)).Draw(t, "x"))
		there, err := ConvertUnit(x, from, to)
		if err != nil {
			if unitTable().byCode[from].dimension == unitTable().byCode[to].dimension && !errors.Is(err, ErrTooFine) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("ConvertUnit(%s, %s, %s): %v", x, from, to, err)
			}
			return
		}
		if there.Sign() != x.Sign() {
			t.Fatalf("ConvertUnit(%s, %s, %s) = %s changes the sign", x, from, to, there)
		}
		back, err := ConvertUnit(there, to, from)
		if err != nil {
			return
		}
		// A millionth of the one unit is this many of the other, in millionths.
		ratio, _ := new(big.Rat).Quo(unitTable().byCode[to].factor, unitTable().byCode[from].factor).Float64()
		slack := 2 + Decimal(ratio)
		if d := back - x; d > slack || d < -slack {
			t.Fatalf("%s %s = %s %s = %s %s", x, from, there, to, back, from)
		}
	})
}

func BenchmarkKnownCode(b *testing.B) {
	for b.Loop() {
		if !KnownCode(Units, "KGM") || !KnownCode(Currencies, "EUR") {
			b.Fatal("unknown")
		}
	}
}
