package quality

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestSetsSpill(t *testing.T) {
	dir := t.TempDir()
	s := NewSet(func() (Scratch, error) { return os.CreateTemp(dir, "scratch") })
	s.limit = 10
	for range 2 {
		for i := range 95 {
			if err := s.Add(fmt.Sprint("A-", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.runs) != 9 {
		t.Errorf("%d parts on disk, want 9: a text that is there already is not added", len(s.runs))
	}
	for i := range 200 {
		if has, err := s.Has(fmt.Sprint("A-", i)); err != nil || has != (i < 95) {
			t.Errorf("has A-%d: %t, %v", i, has, err)
		}
	}

	full := NewSet(func() (Scratch, error) { return nil, os.ErrPermission })
	full.limit = 1
	if err := full.Add("A"); err != nil {
		t.Error(err)
	}
	if err := full.Add("B"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("error %v", err)
	}
}
