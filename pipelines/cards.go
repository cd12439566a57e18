package pipelines

import (
	"regexp"
	"slices"
	"strings"
)

var cardLike = regexp.MustCompile(`\d(?:[ -]?\d){12,18}`)

// MaskCards replaces what looks like the number of a payment card: 13 to 19
// digits of a known issuer whose check digit is right. A number that is a GTIN
// or an SSCC as well is left: that is what such numbers are here.
func MaskCards(text string) string {
	if len(text) < 13 {
		return text
	}
	places := cardLike.FindAllStringIndex(text, -1)
	for _, at := range slices.Backward(places) {
		digits := strings.NewReplacer(" ", "", "-", "").Replace(text[at[0]:at[1]])
		beside := at[0] > 0 && isDigit(text[at[0]-1]) || at[1] < len(text) && isDigit(text[at[1]])
		if !beside && issued(digits) && luhn(digits) && !gs1(digits) {
			text = text[:at[0]] + "***" + text[at[1]:]
		}
	}
	return text
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// issued tells whether an issuer of payment cards numbers them so.
func issued(digits string) bool {
	type issuer struct {
		from, to string // the first digits
		lengths  []int
	}
	for _, i := range []issuer{
		{"4", "4", []int{13, 16, 19}},
		{"51", "55", []int{16}},
		{"2221", "2720", []int{16}},
		{"34", "34", []int{15}},
		{"37", "37", []int{15}},
		{"300", "305", []int{14}},
		{"36", "36", []int{14}},
		{"38", "39", []int{14}},
		{"6011", "6011", []int{16, 19}},
		{"644", "659", []int{16, 19}},
		{"3528", "3589", []int{16, 19}},
		{"62", "62", []int{16, 17, 18, 19}},
	} {
		if head := digits[:len(i.from)]; head >= i.from && head <= i.to && slices.Contains(i.lengths, len(digits)) {
			return true
		}
	}
	return false
}

// luhn tells whether the check digit is that of ISO/IEC 7812.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// gs1 tells whether the number is a GTIN or an SSCC with a right check digit.
func gs1(digits string) bool {
	if !slices.Contains([]int{13, 14, 18}, len(digits)) {
		return false
	}
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			n *= 3
		}
		sum += n
	}
	return sum%10 == 0
}
