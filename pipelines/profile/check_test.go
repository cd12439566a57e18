package profile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"crossdock/pipelines/profile"
	"crossdock/schemas"
)

// columnsOf returns the columns of an entity that a pipeline would map.
func columnsOf(t *testing.T, entity string, names ...string) (*schemas.Entity, []schemas.Column) {
	t.Helper()
	e, err := schemas.Default().Entity(entity)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]schemas.Column, len(names))
	for i, name := range names {
		if list[i], err = e.Column(name); err != nil {
			t.Fatal(err)
		}
	}
	return e, list
}

func specs(t *testing.T, text string) []any {
	t.Helper()
	var list []any
	if err := yaml.Unmarshal([]byte("["+text+"]"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// past makes the profile of a run of so many rows, a tenth of which have no weight.
func past(rows int64) *profile.Profile {
	return &profile.Profile{
		Rows: rows, Passed: rows - 1,
		Fields: []profile.Column{
			{Name: "weight", Rows: rows, Nulls: rows / 10, Looked: rows - rows/10, Distinct: 7, Exact: true, Min: "0.5", Max: "120", Sum: "1000.25"},
			{Name: "sku", Rows: rows, Looked: rows / 2, Distinct: rows / 2},
			{Name: "brand", Rows: rows, Nulls: rows},
		},
	}
}

func TestChecks(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	prices := &profile.Profile{Rows: 2, Passed: 2, Fields: []profile.Column{
		{Name: "valid_from", Rows: 2, Looked: 2, Distinct: 2, Exact: true, Min: "2026-01-01T00:00:00Z", Max: "2026-11-18T03:30:00Z"},
	}}
	for _, tt := range []struct {
		check   string
		rows    *profile.Profile
		earlier []*profile.Profile
		want    string
	}{
		{"{ row_count: read, min: 100 }", past(100), nil, ""},
		{"{ row_count: passed, min: 100 }", past(100), nil, "row_count passed is 99, less than min: 100"},
		{"{ row_count: read, max: 99 }", past(100), nil, "row_count read is 100, more than max: 99"},
		{"{ null_rate: weight, max: 10% }", past(100), nil, ""},
		{"{ null_rate: weight, max: 9.99% }", past(100), nil, "null_rate weight is 10%, more than max: 9.99%"},
		{"{ null_rate: weight, min: 20% }", past(100), nil, "null_rate weight is 10%, less than min: 20%"},
		{"{ distinct: weight, min: 5, max: 7 }", past(100), nil, ""},
		{"{ distinct: weight, min: 8 }", past(100), nil, "distinct weight is 7, less than min: 8"},
		{"{ sum: weight, max: 1000.2 }", past(100), nil, "sum weight is 1000.25, more than max: 1000.2"},
		{"{ minimum: weight, min: 0.6 }", past(100), nil, "minimum weight is 0.5, less than min: 0.6"},
		{"{ maximum: weight, max: 120 }", past(100), nil, ""},
		{"{ maximum: brand, max: 120 }", past(100), nil, "maximum brand: no row has a value"},

		{"{ row_count: read, min: 50%, against: history }", past(100), nil, ""}, // nothing to compare it with
		{"{ row_count: read, min: 50%, against: history }", past(100), []*profile.Profile{past(201)}, "row_count read is 100, less than 100.5, which is min: 50% of the 201 of the run before"},
		{
			"{ row_count: read, min: 50%, max: 150%, against: history }", past(100),
			[]*profile.Profile{past(40), past(60), past(90), past(50)},
			"row_count read is 100, more than 82.5, which is max: 150% of the 55 that is the median of the last 4 runs (40, 60, 90, 50)",
		},
		{"{ row_count: read, min: 50%, max: 150%, against: history, runs: 1 }", past(60), []*profile.Profile{past(40), past(600)}, ""},
		{"{ null_rate: weight, max: 200%, against: history }", past(100), []*profile.Profile{past(100)}, ""},
		{"{ sum: weight, min: 101%, against: history }", past(100), []*profile.Profile{past(100)}, "sum weight is 1000.25, less than 1010.2525, which is min: 101% of the 1000.25 of the run before"},
		{"{ distinct: sku, min: 99%, against: history }", past(1_000), []*profile.Profile{past(100)}, "distinct sku: no row has a value"},

		{"{ minimum: valid_from, min: 2026-01-02 }", prices, nil, "minimum valid_from is 2026-01-01, less than min: 2026-01-02"},
		{"{ maximum: valid_from, max: '2026-11-18T03:00:00Z' }", prices, nil, "maximum valid_from is 2026-11-18T03:30:00Z, more than max: 2026-11-18T03:00:00Z"},
		{"{ freshness: valid_from, max: 4d }", prices, nil, ""},
		{"{ freshness: valid_from, max: 74h }", prices, nil, "freshness valid_from: the newest is 2026-11-18T03:30:00Z, 3d2h old, and 74h are allowed"},
		{"{ freshness: valid_from, max: 90m }", &profile.Profile{}, nil, "freshness valid_from: no row has a value"},
	} {
		t.Run(tt.check, func(t *testing.T) {
			e, mapped := columnsOf(t, "product", "sku", "weight", "brand")
			if strings.Contains(tt.check, "valid_from") {
				e, mapped = columnsOf(t, "price", "valid_from")
			}
			if strings.Contains(tt.check, "maximum: brand") {
				// Text has no greatest value; a field without any value stands for it.
				mapped[2].Name, mapped[1].Name = "weight", "brand"
			}
			checks, errs := profile.CompileChecks(e, mapped, specs(t, tt.check))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			got := ""
			for _, f := range profile.Judge(checks, tt.rows, tt.earlier, now) {
				got = f.Message
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestChecksThatCannotWork(t *testing.T) {
	e, mapped := columnsOf(t, "product", "sku", "weight", "pack_size")
	_, errs := profile.CompileChecks(e, mapped, specs(t, `
		{ nul_rate: weight, max: 10% },
		{ null_rate: weigth, max: 10% },
		{ null_rate: brand, max: 10% },
		{ null_rate: weight },
		{ null_rate: weight, max: 10 },
		{ null_rate: weight, max: 10%, min: 20% },
		{ null_rate: weight, sum: weight, max: 10% },
		{ sum: sku, max: 10 },
		{ minimum: sku, max: 10 },
		{ freshness: weight, max: 2h },
		{ row_count: reed, min: 10 },
		{ row_count: read, min: ten, severity: reject, against: target, runs: 0, limit: 3 },
		{ row_count: read, min: 10, runs: 3 },
		{ max: 10% },
		rows,
		{ distinct: [sku], min: 1 }`))
	want := []string{
		"checks[0]: unknown check nul_rate, did you mean null_rate? (there are row_count, null_rate, distinct, sum, minimum, maximum, freshness)",
		"checks[1].null_rate: product has no field weigth, did you mean weight?",
		"checks[2].null_rate: brand is not mapped, so that the check has nothing to look at",
		"checks[3]: null_rate needs min, max or both, as in { null_rate: gtin, max: 10% }",
		`checks[4].max: is "10", but must be a share such as 10%`,
		"checks[5].min: 20% is more than max, 10%",
		"checks[6]: holds the checks null_rate and sum: write each as an item of its own",
		"checks[7].sum: is for a number, but sku is of type identifier",
		"checks[8].minimum: is for a number, a date or a time, but sku is of type identifier",
		"checks[9].freshness: is for a date or a time, but weight is of type quantity",
		"checks[10].row_count: must be read or passed: the rows that the source has, or those of them that no rule rejected, did you mean read?",
		"checks[11].limit: unknown key (there are min, max, against, runs, severity)",
		"checks[11].severity: is reject, but must be stop or warn",
		"checks[11].against: is target, but must be history: min and max are shares of what earlier runs had",
		"checks[11].runs: must be a whole number from 1 to 50, not 0",
		`checks[11].min: is "ten", but must be a share such as 10%`,
		"checks[12].runs: goes with against: history",
		"checks[13]: must be a check and its bounds, as in { null_rate: gtin, max: 10% } (there are row_count, null_rate, distinct, sum, minimum, maximum, freshness)",
		"checks[14]: must be a check and its bounds, as in { null_rate: gtin, max: 10% } (there are row_count, null_rate, distinct, sum, minimum, maximum, freshness)",
		"checks[15].distinct: must name a field, as in { null_rate: gtin, max: 10% }",
	}
	var got []string
	for _, err := range errs {
		got = append(got, err.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}

	e, mapped = columnsOf(t, "price", "valid_from")
	_, errs = profile.CompileChecks(e, mapped, specs(t, `
		{ freshness: valid_from, min: 2h },
		{ freshness: valid_from, max: soon },
		{ freshness: valid_from, max: 99999d },
		{ minimum: valid_from, min: 50%, against: history },
		{ minimum: valid_from, min: yesterday }`))
	want = []string{
		"checks[0]: freshness needs max alone, the age that the newest value may have, as in { freshness: as_of, max: 2h }",
		`checks[1].max: is "soon", but must be an age such as 90m, 2h or 3d`,
		`checks[2].max: is "99999d", but must be an age such as 90m, 2h or 3d`,
		"checks[3].against: is for figures: no share of a date or a time can be had",
		`checks[4].min: is "yesterday", but must be a date or a time such as 2026-11-21 or 2026-11-21T06:00:00Z`,
	}
	got = nil
	for _, err := range errs {
		got = append(got, err.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestWatchedFieldsAreThoseOfWhichEveryValueCounts(t *testing.T) {
	e, mapped := columnsOf(t, "product", "sku", "weight", "pack_size")
	checks, errs := profile.CompileChecks(e, mapped, specs(t,
		`{ null_rate: sku, max: 1% }, { sum: weight, min: 1 }, { row_count: read, min: 1%, against: history, runs: 9 }, { distinct: pack_size, max: 9, severity: warn }`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if diff := cmp.Diff([]string{"weight", "pack_size"}, profile.Watched(checks)); diff != "" || profile.HistoryOf(checks) != 9 {
		t.Errorf("history of %d runs, watched: -want +got\n%s", profile.HistoryOf(checks), diff)
	}
	if !checks[0].Stop || checks[3].Stop || checks[1].Name() != "sum weight" {
		t.Errorf("checks %+v", checks)
	}
}
