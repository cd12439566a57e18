package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSameFilesAreMadeEveryTime(t *testing.T) {
	var made [2][]byte
	for i := range made {
		files, err := generate(t.TempDir(), 2_000, 10)
		if err != nil {
			t.Fatal(err)
		}
		if made[i], err = os.ReadFile(files.csv); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two runs made different files")
	}
}

func TestOneRowInAHundredIsSpoiltInEightWays(t *testing.T) {
	random, plain := newRandom(), newRandom()
	row, good := make([]string, len(productColumns())), make([]string, len(productColumns()))
	faults := map[int]bool{}
	for i := range 8 * faultShare {
		productRow(i, random, row)
		productRow(0, plain, good) // the same draws, never spoilt
		for c := 2; c < len(row); c++ {
			if row[c] != good[c] {
				faults[i] = true
			}
		}
		if digits := gtin(400_000_000_000 + int64(i)); row[1] != digits || row[0] == "NL-0000000" && i > 0 {
			faults[i] = true
		}
	}
	if len(faults) != 8 {
		t.Errorf("rows %v are spoilt, want 8 of %d", faults, 8*faultShare)
	}
}

func TestTheFloorsCountEveryRow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new") // which it makes
	files, err := generate(dir, 500, 10)
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := floorRead(files.csv)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := floorParse(files.csv)
	if err != nil {
		t.Fatal(err)
	}
	inserted, took, err := floorInsert(files.csv, filepath.Join(dir, "floor.db"))
	if err != nil || took <= 0 {
		t.Fatal(err)
	}
	if read != 500 || parsed != 500 || inserted != 500 {
		t.Errorf("read %d, parsed %d, inserted %d, want 500 each", read, parsed, inserted)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "products.yaml")); err != nil || !strings.Contains(string(text), "products-500.csv") {
		t.Errorf("pipeline %s, %v; want it to read the file", text, err)
	}
}
