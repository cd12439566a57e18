package connectors

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// cellsOf writes a batch as text, a null as "-" and a kind that is not text
// behind the cell.
func cellsOf(b *Batch) []string {
	rows := make([]string, b.Rows.NumRows())
	for r := range rows {
		var cells []string
		for c := range int(b.Rows.NumCols()) {
			cell := "-"
			if b.Rows.Column(c).IsValid(r) {
				cell = b.Rows.Column(c).ValueStr(r)
			}
			if kind := b.KindOf(c, r); kind != TextCell {
				cell += []string{"", "#", "?", "@", "!"}[kind]
			}
			cells = append(cells, cell)
		}
		rows[r] = strings.Join(cells, "|")
	}
	return rows
}

func TestTextBuilder(t *testing.T) {
	b := NewTextBuilder([]string{"sku", "price"})
	b.Cell(0, []byte("0017"), TextCell)
	b.Cell(1, nil, TextCell)
	b.EndRow(2)
	b.Rows([]byte("0018,1.5;0019,"), []Span{{0, 4}, {5, 8}, {9, 13}, {14, 14}}, []int64{3, 5})
	b.Cell(0, []byte{}, TextCell)
	b.Cell(1, []byte("7"), NumberCell)
	b.EndRow(9)
	b.Rows([]byte("x"), []Span{{0, 1}, {0, 1}}, []int64{10})
	b.Cell(0, nil, AbsentCell)
	b.Cell(1, []byte("true"), BooleanCell)
	b.EndRow(11)
	if b.Len() != 6 {
		t.Errorf("Len is %d, want 6", b.Len())
	}
	first := b.Build()
	b.Cell(0, []byte("next"), TextCell)
	b.Cell(1, []byte("batch"), TextCell)
	b.EndRow(12)
	second := b.Build()

	want := []string{"0017|-", "0018|1.5", "0019|-", "|7#", "x|x", "-!|true?"}
	if diff := cmp.Diff(want, cellsOf(first)); diff != "" {
		t.Errorf("first batch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"next|batch"}, cellsOf(second)); diff != "" {
		t.Errorf("second batch (-want +got):\n%s", diff)
	}
	if want := []int64{2, 3, 5, 9, 10, 11}; !slices.Equal(first.Origin.Rows, want) {
		t.Errorf("rows are %v, want %v", first.Origin.Rows, want)
	}
	first.Skipped, first.Rejects = 2, make([]Reject, 3)
	if first.Read() != 11 {
		t.Errorf("Read is %d, want 11", first.Read())
	}
	if empty := b.Build(); empty.Rows.NumRows() != 0 || empty.Rows.NumCols() != 2 {
		t.Errorf("a batch without rows has %d rows, %d columns", empty.Rows.NumRows(), empty.Rows.NumCols())
	}
}

func TestTextBuilderIsFull(t *testing.T) {
	b := NewTextBuilder([]string{"a"})
	row := func(bytes int) {
		b.Rows(make([]byte, bytes), []Span{{0, uint32(bytes)}}, []int64{1})
	}
	row(10)
	if b.Full(2) {
		t.Error("full after one row of two")
	}
	row(10)
	if !b.Full(2) || b.Full(3) {
		t.Error("two rows do not fill two, or fill three")
	}
	row(MaxBatchBytes)
	if !b.Full(1000) {
		t.Error("not full of bytes")
	}
	b.Build()
	if b.Full(1) {
		t.Error("full after Build")
	}
}

// Both ways to fill a builder come to the same columns, however they are mixed.
func TestTextBuilderRowsEqualsCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byRows, byCells := NewTextBuilder([]string{"a", "b", "c"}), NewTextBuilder([]string{"a", "b", "c"})
		number := int64(1)
		for range rapid.IntRange(1, 6).Draw(t, "blocks") {
			texts := rapid.SliceOfN(rapid.SampledFrom([]string{"", "x", "longer text", "ä"}), 3, 90).Draw(t, "cells")
			texts = texts[:len(texts)/3*3]
			whole := rapid.Bool().Draw(t, "whole")
			var text []byte
			var spans []Span
			var numbers []int64
			for i, s := range texts {
				spans = append(spans, Span{uint32(len(text)), uint32(len(text) + len(s))})
				text = append(text, s...)
				if i%3 == 2 {
					numbers = append(numbers, number)
					number++
				}
			}
			addCells(byCells, texts, numbers)
			if whole {
				byRows.Rows(text, spans, numbers)
			} else {
				addCells(byRows, texts, numbers)
			}
		}
		want, got := byCells.Build(), byRows.Build()
		if diff := cmp.Diff(cellsOf(want), cellsOf(got)); diff != "" {
			t.Fatalf("cells (-cell by cell +row by row):\n%s", diff)
		}
		if !slices.Equal(want.Origin.Rows, got.Origin.Rows) {
			t.Fatalf("rows are %v and %v", want.Origin.Rows, got.Origin.Rows)
		}
	})
}

func addCells(b *TextBuilder, texts []string, numbers []int64) {
	for i, s := range texts {
		var value []byte
		if s != "" {
			value = []byte(s)
		}
		b.Cell(i%3, value, TextCell)
		if i%3 == 2 {
			b.EndRow(numbers[i/3])
		}
	}
}
