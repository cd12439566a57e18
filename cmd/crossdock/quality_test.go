package main

import (
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCapture puts what a group of a pattern matches in the output of the
// last command into a variable: capture RUN '"run":"([^"]+)"'.
func scriptCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("capture: %s matches nothing, or has not one group", args[1])
	}
	ts.Setenv(args[0], found[1])
}
