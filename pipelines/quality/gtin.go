package quality

import (
	"fmt"
	"strings"

	"crossdock/schemas"
)

func buildGTIN(c *compiler, _ *spec, r *rule) {
	tests(c, r, stateless(gtinFault))
}

// IsGTIN reports whether text is a GTIN with a right check digit.
func IsGTIN(text string) bool { return gtinFault(text) == "" }

// gtinFault says what is wrong with a GTIN: GTIN-8, -12 (UPC), -13 (EAN) or
// -14, of digits alone, the last of which checks the others (GS1 General
// Specifications, sections 2.1 and 7.9).
func gtinFault(text string) string {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return gtinCharacterFault(text, i)
		}
	}
	switch len(text) {
	case 8, 12, 13, 14:
	default:
		return gtinLengthFault(text)
	}
	found, right := text[len(text)-1], checkDigit(text[:len(text)-1])
	if found != right {
		return fmt.Sprintf("has check digit %c, %c would be right", found, right)
	}
	return ""
}

// checkDigit returns the digit that makes digits a GTIN: the digits are
// weighed 3, 1, 3, ... from the right, and the check digit completes their sum
// to a multiple of ten (GS1 General Specifications, section 7.9.1).
func checkDigit(digits string) byte {
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		sum += weight * int(digits[i]-'0')
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10)
}

func gtinCharacterFault(text string, at int) string {
	rest := text[at:]
	switch {
	case strings.ContainsAny(text, ".,") && strings.ContainsAny(text, "Ee"):
		return "is a number that a spreadsheet has rounded: format its column as text and enter it anew"
	case rest[0] == ' ' || strings.HasPrefix(rest, "\u00a0"):
		return "holds a blank, but must be digits alone"
	case rest[0] == '-':
		return "holds a hyphen, but must be digits alone"
	}
	for _, character := range rest {
		return fmt.Sprintf("holds %s, but must be digits alone", schemas.QuoteShort(string(character)))
	}
	return ""
}

// gtinLengthFault names the length, and the zeros that a spreadsheet takes
// from the front when they make it right.
func gtinLengthFault(text string) string {
	fault := fmt.Sprintf("has %d digits, a GTIN has 8, 12, 13 or 14", len(text))
	if len(text) == 1 {
		fault = strings.Replace(fault, "digits", "digit", 1)
	}
	for _, length := range []int{8, 12, 13} {
		if missing := length - len(text); missing > 0 && missing <= 3 {
			full := strings.Repeat("0", missing) + text
			if checkDigit(full[:length-1]) == full[length-1] {
				return fault + "; with the zeros in front that spreadsheets drop it would be " + full
			}
		}
	}
	return fault
}
