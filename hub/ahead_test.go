package hub_test

import (
	"strings"
	"testing"

	"crossdock/hub"
)

const lookingAhead = pipelineText + "rules:\n  - { group_has: gtin, value: '4006381333931', group: name.en }\n"

// The row by which a group is complete may be the last of the source.
func TestRulesThatLookAheadReadTheSourceTwice(t *testing.T) {
	lines := products(40)
	for i := range lines {
		lines[i] = strings.Split(lines[i], ";")[0] + ";Mutter;"
	}
	lines[39] = "A-40;Mutter;4006381333931"
	lines[7] = "A-8;Keil;"
	b := newBench(t, lines...)
	s, err := b.Run(t.Context(), b.write(t, lookingAhead), hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(s.Counts); got != [5]int64{40, 39, 0, 1, 0} || b.shelf.rows["A-8"] != 0 {
		t.Errorf("counts = %v, want the one row that stands alone rejected", got)
	}
}

func TestRulesThatLookAheadNeedASourceThatCanBeReadTwice(t *testing.T) {
	b := newBench(t, products(4)...)
	b.memory.once = true
	_, err := b.Run(t.Context(), b.write(t, lookingAhead), hub.Options{})
	if err == nil || !strings.Contains(err.Error(), "acme.yaml:5:1: rules: group_has, first_tier and rules over groups") || b.shelf.applies > 0 {
		t.Errorf("error %v after %d batches", err, b.shelf.applies)
	}
}
