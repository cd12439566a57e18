package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"crossdock/schemas"
)

// printJSON writes one value for programs to read, on one line.
func (a *app) printJSON(value any) {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(a.stderr, "crossdock: "+err.Error())
	}
}

// printTable prints what fill writes, its cells set apart by tabs, in columns.
func (a *app) printTable(fill func(w io.Writer)) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(w)
	_ = w.Flush() // a Builder takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(a.stdout, strings.TrimRight(line, " \n"))
	}
}

// thousands writes n as 1,204.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := len(s) % 3
	if start == 0 {
		start = 3
	}
	var b strings.Builder
	b.WriteString(s[:min(start, len(s))])
	for i := start; i < len(s); i += 3 {
		b.WriteString("," + s[i:i+3])
	}
	return b.String()
}

// plural writes 1 row, 1,204 rows.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}

func quote(s string) string { return schemas.QuoteShort(s) }

// fileFormat returns csv or xlsx: the one asked for, else that of the file's
// name. One that contradicts the name would make a file that nothing opens.
func fileFormat(format, output string) (string, error) {
	byName := ""
	switch strings.ToLower(filepath.Ext(output)) {
	case ".csv":
		byName = "csv"
	case ".xlsx":
		byName = "xlsx"
	}
	switch {
	case format != "" && format != "csv" && format != "xlsx":
		return "", usagef("--format is %q, but must be csv or xlsx", format)
	case format != "" && byName != "" && format != byName:
		return "", usagef("--format is %s, but %s is the name of another kind of file", format, output)
	}
	return cmp.Or(format, byName, "csv"), nil
}
