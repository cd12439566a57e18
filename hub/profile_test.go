package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// twenty makes products of which some have no EAN, and puts a word before
// the number of each name.
func twenty(without int, word string) []string {
	lines := make([]string, 20)
	for i := range lines {
		ean := "4006381333931"
		if i < without {
			ean = ""
		}
		lines[i] = fmt.Sprintf("A-%d;%s;%s", i, word, ean)
	}
	return lines
}

func TestRunsAreScoredAndCompared(t *testing.T) {
	b := newBench(t)
	p := b.write(t, pipelineText)
	for _, tt := range []struct {
		lines   []string
		score   string
		notices []string
	}{
		{twenty(2, "Mutter"), "99.3", nil},
		{append(twenty(2, "Mutter"), "A-21;;"), "95.5", nil}, // rejected: it has no name
		{twenty(12, "Keil"), "96.0", []string{
			`column Name: holds "Keil", which none of the 2 runs before had`,
			`column Name: no longer holds "Mutter", which each of the 2 runs before had`,
			`column EAN: 60% of its cells are empty, 12.1% in the 2 runs before`,
		}},
	} {
		b.memory.files["a.csv"] = tt.lines
		dry, err := b.Run(t.Context(), p, hub.Options{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Run(t.Context(), p, hub.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Quality == nil || s.Quality.String() != tt.score || dry.Quality == nil || *dry.Quality != *s.Quality {
			t.Errorf("%d lines: score %v, of a dry run %v, want %s", len(tt.lines), s.Quality, dry.Quality, tt.score)
		}
		if diff := cmp.Diff(tt.notices, s.Notices); diff != "" {
			t.Errorf("%d lines: notices (-want +got)\n%s", len(tt.lines), diff)
		}
		profile, err := b.Profile(t.Context(), s.Run)
		if err != nil || profile.Rows != int64(len(tt.lines)) || len(profile.Columns) != 3 || len(profile.Fields) != 3 {
			t.Errorf("profile %+v, %v", profile, err)
		}
	}
	sources, err := b.Quality(t.Context(), "acme", 2)
	if err != nil || len(sources) != 2 || len(sources[0].Runs) != 2 || sources[1].Source != "a.csv" || sources[0].Runs[0].Score.String() != "96.0" {
		t.Errorf("quality %+v, %v", sources, err)
	}
	moved, err := b.Journal().Drifts(t.Context(), "acme", "", 10)
	if err != nil || len(moved) != 3 || moved[0].Column != "Name" || moved[2].Before != "12.1%" {
		t.Errorf("drift %+v, %v", moved, err)
	}
}

// The score of a run that was stopped before it wrote is that of its check.
func TestAStoppedRunHasAScore(t *testing.T) {
	b := newBench(t, "A-1;;", "A-2;;", "A-3;Keil;4006381333931")
	s, err := b.Run(t.Context(), b.write(t, pipelineText+"on_reject: { stop_above: 20% }\n"), hub.Options{})
	if err == nil || s.Status != journal.Stopped || s.Quality == nil || s.Quality.String() != "46.7" {
		t.Errorf("%s with score %v, %v", s.Status, s.Quality, err)
	}
	run, err := b.Journal().Run(t.Context(), s.Run)
	if err != nil || run.Score == nil || *run.Score != 467 {
		t.Errorf("run %+v, %v", run, err)
	}
}

// With a survey the source is read twice, and its rows count once.
func TestASurveyDoesNotCountTwice(t *testing.T) {
	b := newBench(t, products(60)...)
	b.shelf.refuse = "A-7"
	s, err := b.Run(t.Context(), b.write(t, pipelineText+"on_reject: { stop_above: 20% }\n"), hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := b.Quality(t.Context(), "", 1)
	if err != nil || len(sources) == 0 || sources[0].Runs[0].Read != 60 || sources[0].Runs[0].Rejected != 1 || s.Quality.String() != "92.0" {
		t.Errorf("score %s, quality %+v, %v", s.Quality, sources, err)
	}
}

func TestARunThatFailsHasNoScore(t *testing.T) {
	b := newBench(t, products(10)...)
	b.shelf.fail = fmt.Errorf("disk full")
	s, err := b.Run(t.Context(), b.write(t, pipelineText), hub.Options{})
	if err == nil || s.Quality != nil {
		t.Errorf("score %v, %v", s.Quality, err)
	}
	if _, err := b.Profile(t.Context(), s.Run); err == nil || !strings.Contains(err.Error(), "came to their end") {
		t.Errorf("profile of it: %v", err)
	}
}
