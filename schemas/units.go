package schemas

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// A unit is one code of Rec 20 or 21. Units of one dimension convert into
// each other; a unit without dimension, such as a carton, into none.
type unit struct {
	name      string
	dimension string
	factor    *big.Rat // how many of the base unit of the dimension it is
}

type units struct {
	byCode    map[string]unit
	spellings map[string]string // squeezed, to code
	// preferred spellings win over a code written alike; see units.txt.
	preferred map[string]bool
}

var unitTable = sync.OnceValue(func() *units { //nolint:gochecknoglobals // read only
	t := &units{map[string]unit{}, map[string]string{}, map[string]bool{}}
	codeLines("units.txt", func(cells []string) { t.add("", cells) })
	codeLines("packages.txt", func(cells []string) { t.add("X", cells) })
	// A name is a spelling too, where no line claims it for another unit.
	for _, code := range slices.Sorted(maps.Keys(t.byCode)) {
		if name := squeeze(t.byCode[code].name); name != "" && t.spellings[name] == "" {
			t.spellings[name] = code
		}
	}
	return t
})

// add takes one line of a file: a unit, or codes without more.
func (t *units) add(prefix string, cells []string) {
	if len(cells) == 1 {
		for code := range strings.FieldsSeq(cells[0]) {
			t.byCode[prefix+code] = unit{}
		}
		return
	}
	code, u := prefix+cells[0], unit{name: cells[1]}
	if len(cells) > 3 && cells[2] != "" {
		factor := ""
		u.dimension, factor, _ = strings.Cut(cells[2], " ")
		var ok bool
		if u.factor, ok = new(big.Rat).SetString(factor); !ok {
			panic("schemas: unit " + code + " has the factor " + factor) // a test reads the file
		}
	}
	t.byCode[code] = u
	for spelling := range strings.SplitSeq(cells[len(cells)-1], ", ") {
		spelling, wins := strings.CutPrefix(spelling, "!")
		if spelling = squeeze(spelling); spelling != "" {
			t.spellings[spelling] = code
			t.preferred[spelling] = wins
		}
	}
}

// UnitCode returns the code of UN/ECE Rec 20 (Rec 21 behind an X for packages)
// for a unit as people and systems write it: Stk, pcs, kg, Karton, m², or the
// code itself. What can mean different units is not understood.
func UnitCode(text string) (code string, ok bool) {
	t := unitTable()
	code, spelled := t.spellings[squeeze(text)]
	if spelled && t.preferred[squeeze(text)] {
		return code, true
	}
	if exact := strings.TrimSpace(text); KnownCode(Units, exact) {
		return exact, true
	}
	if !spelled {
		code = lookUp(t.byCode, nil, text)
	}
	return code, code != ""
}

// nearUnit returns the code that a text means or, where it is long enough not
// to be near to everything, the code of the spelling nearest to it.
func nearUnit(text string) string {
	const shortest = 5
	if code, ok := UnitCode(text); ok {
		return code
	}
	squeezed := squeeze(text)
	if len(squeezed) < shortest {
		return ""
	}
	spellings := unitTable().spellings
	var alike []string // typing errors rarely stand first, and the search has to be quick
	for spelling := range spellings {
		if spelling[0] == squeezed[0] {
			alike = append(alike, spelling)
		}
	}
	slices.Sort(alike)
	return spellings[Nearest(squeezed, alike)]
}

// ConvertUnit converts a quantity between units of the same dimension, given
// as codes of Rec 20. The result is computed exactly and rounded once, half
// away from zero, to 6 digits. What would round to nothing is ErrTooFine.
func ConvertUnit(x Decimal, from, to string) (Decimal, error) {
	wrap := func(err error) error { return fmt.Errorf("%s %s in %s: %w", x, from, to, err) }
	if from == to && KnownCode(Units, from) {
		return x, nil
	}
	for _, code := range []string{from, to} {
		if !KnownCode(Units, code) {
			return 0, fmt.Errorf("%s cannot be converted to %s: %q is no code of %s%s",
				from, to, code, Units, CodeHint(Units, code))
		}
	}
	f, t := unitTable().byCode[from], unitTable().byCode[to]
	if f.dimension == "" || f.dimension != t.dimension {
		return 0, fmt.Errorf("%s cannot be converted to %s%s", from, to, dimensions(f, t))
	}
	r := new(big.Rat).SetInt64(int64(x))
	r.Mul(r, f.factor).Quo(r, t.factor)
	result, err := roundRat(r)
	if err != nil {
		return 0, wrap(err)
	}
	if result == 0 && x != 0 {
		return 0, wrap(ErrTooFine)
	}
	return result, nil
}

// dimensions says why two units do not convert.
func dimensions(f, t unit) string {
	switch {
	case f.dimension != "" && t.dimension != "":
		return fmt.Sprintf(": one is a unit of %s, the other of %s", f.dimension, t.dimension)
	case f.dimension == "" && t.dimension == "":
		return ": neither has a fixed size"
	}
	return ": one of them has no fixed size"
}

// roundRat rounds a number of millionths to a whole one, half away from zero.
func roundRat(r *big.Rat) (Decimal, error) {
	num := new(big.Int).Abs(r.Num())
	num.Lsh(num, 1).Add(num, r.Denom()) // floor((2n + d) / 2d)
	num.Quo(num, new(big.Int).Lsh(r.Denom(), 1))
	if !num.IsInt64() || Decimal(num.Int64()) > MaxDecimal {
		return 0, ErrTooLarge
	}
	if r.Sign() < 0 {
		return Decimal(-num.Int64()), nil
	}
	return Decimal(num.Int64()), nil
}
