package journal_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crossdock/hub/journal"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestAssessmentsAreKeptByRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
		j, err := journal.Open(t.Context(), place, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		begin := func(id, pipeline string) {
			t.Helper()
			now = now.Add(time.Minute)
			if err := j.Begin(t.Context(), journal.Run{ID: id, Pipeline: pipeline, Entity: "product", Cause: "command", Status: journal.Running}); err != nil {
				t.Fatal(err)
			}
		}
		// A run that was held and approved tells twice; what it tells last is kept.
		begin("r-held", "acme")
		for range 2 {
			err := j.Assess(t.Context(), journal.Assessment{Run: "r-held", Pipeline: "acme", Profile: []byte(`{}`), Quality: []journal.Quality{{Score: 1}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		begin("stopped", "acme") // what did not finish is nothing to compare with
		if err := j.Assess(t.Context(), journal.Assessment{Run: "stopped", Pipeline: "acme", Profile: []byte(`{"rows":7}`)}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Finish(t.Context(), journal.Claim{Run: "stopped"}, journal.Stopped, "", nil); err != nil {
			t.Fatal(err)
		}
		if list, err := j.Profiles(t.Context(), "acme", 10); err != nil || len(list) != 0 {
			t.Errorf("%d profiles to compare with, %v; want none of runs that did not finish", len(list), err)
		}
		const runs = 103 // three more than there are profiles kept
		for i := range runs {
			id := fmt.Sprintf("r%03d", i)
			begin(id, "acme")
			err := j.Assess(t.Context(), journal.Assessment{
				Run: id, Pipeline: "acme", Profile: []byte(fmt.Sprintf(`{"rows":%d}`, i)),
				Quality: []journal.Quality{{Score: int64(i), Read: 7}, {Source: "a.csv", Score: int64(i)}},
				Drift:   []journal.Drift{{Column: "EAN", Kind: "nulls", Message: "moved"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Finish(t.Context(), journal.Claim{Run: id}, journal.Succeeded, "", nil); err != nil {
				t.Fatal(err)
			}
		}
		begin("other", "other")
		if err := j.Assess(t.Context(), journal.Assessment{Run: "other", Pipeline: "other", Profile: []byte(`{}`), Quality: []journal.Quality{{Score: 1000}}}); err != nil {
			t.Fatal(err)
		}

		profiles, err := j.Profiles(t.Context(), "acme", 1_000)
		if err != nil || len(profiles) != 100 || string(profiles[0]) != `{"rows":102}` {
			t.Errorf("%d profiles, %v", len(profiles), err)
		}
		if _, err := j.Profile(t.Context(), "r002"); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("a profile that is not kept any more: %v", err)
		}
		if text, err := j.Profile(t.Context(), "r003"); err != nil || string(text) != `{"rows":3}` {
			t.Errorf("profile %s, %v", text, err)
		}

		var got []string
		kept, err := j.Qualities(t.Context(), "", 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range kept {
			got = append(got, fmt.Sprintf("%s %s %q %d %d", q.Run, q.Pipeline, q.Source, q.Score, q.Read))
		}
		want := []string{`other other "" 1000 0`, `r102 acme "" 102 7`, `r102 acme "a.csv" 102 0`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("quality: -want +got\n%s", diff)
		}
		if of, err := j.Qualities(t.Context(), "acme", 1_000); err != nil || len(of) != 2*runs+1 {
			t.Errorf("%d scores of acme, %v", len(of), err)
		}

		moved, err := j.Drifts(t.Context(), "acme", "r007", 10)
		if err != nil || len(moved) != 1 || moved[0].Run != "r007" || moved[0].Message != "moved" {
			t.Errorf("drift of r007: %v, %v", moved, err)
		}
		if moved, err := j.Drifts(t.Context(), "", "", 5); err != nil || len(moved) != 5 || moved[0].Run != "r102" {
			t.Errorf("drift: %v, %v", moved, err)
		}

		run, err := j.Run(t.Context(), "r042")
		if err != nil || run.Score == nil || *run.Score != 42 {
			t.Errorf("run %+v, %v", run, err)
		}
		begin("unjudged", "acme")
		if run, err := j.Run(t.Context(), "unjudged"); err != nil || run.Score != nil {
			t.Errorf("a run that was not assessed has the score %v, %v", run.Score, err)
		}
	})
}
