package csvfile

import (
	"fmt"
	"strings"

	"crossdock/connectors"
)

// notDelimited returns an error for a file that is something else than
// delimited text, which some programs name .csv all the same.
func notDelimited(name string, sample []byte) error {
	refuse := func(message, hint string) error {
		return &connectors.Error{Place: connectors.Place{Resource: name}, Message: message, Hint: hint}
	}
	if kind, hint := connectors.KindOfFile(sample); kind != "" {
		return refuse("is not a text file: it looks like "+kind, hint)
	}
	if kind, hint := connectors.KindOfText(sample); kind != "" {
		return refuse("is not delimited text: it looks like "+kind, hint)
	}
	return nil
}

// controls returns an error for text with many control characters, which no
// delimited text has. Those of the delimiter do not count.
func controls(name string, text []byte, f format) error {
	count := 0
	for _, b := range text {
		if b < ' ' && !strings.ContainsRune("\t\n\v\f\r", rune(b)) && strings.IndexByte(f.delimiter+f.recordEnd, b) < 0 {
			count++
		}
	}
	if count <= 8 || count*10 < len(text) {
		return nil
	}
	return &connectors.Error{
		Place:   connectors.Place{Resource: name},
		Message: fmt.Sprintf("is not a text file: %d of its first %d characters are control characters", count, len(text)),
		Hint:    "name the delimiter if it is one of them",
	}
}
