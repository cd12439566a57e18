package fixedwidth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Bounds of a layout.
const (
	maxColumns = 4096
	maxPlace   = 1 << 20
)

// A column is where the cells of one name stand in a line.
type column struct {
	name       string
	start, end int // places from 0; end is behind the last
}

// openEnd is the end of a column that reaches to the end of the line.
const openEnd = maxPlace + 1

// A layout holds the columns in the order of the line.
type layout []column

func (l layout) names() []string {
	names := make([]string, len(l))
	for i, c := range l {
		names[i] = c.name
	}
	return names
}

// width returns how many places a line has to have. A column that reaches to
// the end of the line may be empty.
func (l layout) width() int {
	last := len(l) - 1
	if l[last].end < openEnd {
		return l[last].end
	}
	if last == 0 {
		return 0
	}
	return l[last-1].end
}

// parseLayout reads the setting columns.
func parseLayout(columns map[string]string) (layout, connectors.SettingErrors) {
	var errs connectors.SettingErrors
	refuse := func(name, message string) {
		errs = append(errs, &connectors.SettingError{Path: strings.TrimSuffix("columns."+name, "."), Message: message})
	}
	l := make(layout, 0, len(columns))
	for name, place := range columns {
		c, ok := parseColumn(name, place)
		if name == "" || !ok {
			refuse(name, fmt.Sprintf("is %s, but must be places such as 1-18, 19+40 or 59-, the first of them 1 and the last at most %d", schemas.QuoteShort(place), maxPlace))
			continue
		}
		l = append(l, c)
	}
	slices.SortFunc(l, func(a, b column) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	for i := range max(0, len(l)-1) {
		if l[i].end > l[i+1].start {
			refuse(l[i+1].name, fmt.Sprintf("begins at %d, where the column %s has not ended", l[i+1].start+1, schemas.QuoteShort(l[i].name)))
		}
	}
	if len(columns) == 0 || len(columns) > maxColumns {
		refuse("", fmt.Sprintf("names %d columns, but must name 1 to %d", len(columns), maxColumns))
	}
	return l, errs
}

// parseColumn reads first-last, first+length, first- or the one place.
func parseColumn(name, place string) (column, bool) {
	first, rest, ranged := strings.Cut(place, "-")
	counted := false
	if !ranged {
		first, rest, counted = strings.Cut(place, "+")
	}
	start, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || start < 1 || start > maxPlace {
		return column{}, false
	}
	c := column{name, start - 1, start}
	rest = strings.TrimSpace(rest)
	if ranged && rest == "" {
		c.end = openEnd
		return c, true
	}
	if !ranged && !counted {
		return c, true
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return column{}, false
	}
	c.end = n
	if counted {
		c.end = c.start + n
	}
	return c, c.end > c.start && c.end <= maxPlace
}

// cut cuts a line and returns its cells, which lie in the line, and how many
// places the line has. Cells that the line does not reach are empty. Places
// are runes where runes is set, else bytes.
func (l layout) cut(line []byte, runes bool, cells [][]byte) ([][]byte, int) {
	cells = cells[:0]
	if !runes || isASCII(line) {
		for _, c := range l {
			cells = append(cells, line[min(c.start, len(line)):min(c.end, len(line))])
		}
		return cells, len(line)
	}
	at, place := 0, 0
	forward := func(to int) {
		for place < to && at < len(line) {
			_, size := utf8.DecodeRune(line[at:])
			at += size
			place++
		}
	}
	for _, c := range l {
		forward(c.start)
		from := at
		forward(c.end)
		cells = append(cells, line[from:at])
	}
	forward(maxPlace)
	return cells, place
}

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
