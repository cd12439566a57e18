package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage may lie beside what is in use: half of
// what Go allows by itself. Rows pass by, little of them stays, and to collect
// twice as often costs less than can be measured.
const garbagePercent = 50

// boundGarbage sets garbagePercent, unless whoever runs the command has said
// otherwise by GOGC.
func boundGarbage() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbagePercent)
	}
}
