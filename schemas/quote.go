package schemas

import (
	"fmt"
	"strings"
)

// QuoteShort quotes s for a message, cut after 60 characters so that one bad
// cell cannot flood a screen.
func QuoteShort(s string) string { return fmt.Sprintf("%q", cut(s, 60)) }

// Shorten cuts s after 200 characters, for a value that is kept as evidence.
func Shorten(s string) string { return cut(s, 200) }

func cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			s = s[:i] + "…"
			break
		}
		n++
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
