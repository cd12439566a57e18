package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage may lie beside what is in use: half of
// what Go allows by itself. Rows pass by and little of them stays, so that to
// collect more often costs a few hundredths of the processor time.
const garbagePercent = 50

// boundGarbage sets garbagePercent, unless whoever runs the command has said
// otherwise by GOGC.
func boundGarbage() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbagePercent)
	}
}
