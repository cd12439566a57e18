package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"crossdock/hub/broker"
)

func TestPatternsMatchKeys(t *testing.T) {
	for _, tt := range []struct {
		pattern, key string
		want         bool
	}{
		{"#", "catalog.product", true},
		{"#", "", true},
		{"catalog.#", "catalog", true},
		{"catalog.#", "catalog.product.changed.v1", true},
		{"catalog.#", "catalogue.product", false},
		{"catalog.*", "catalog.product", true},
		{"catalog.*", "catalog", false},
		{"catalog.*", "catalog.product.changed", false},
		{"*.product.#.v1", "catalog.product.v1", true},
		{"*.product.#.v1", "catalog.product.changed.twice.v1", true},
		{"*.product.#.v1", "catalog.product.v2", false},
		{"#.#", "a", true},
		{"a.*.c", "a..c", true},
		{"a", "A", false},
	} {
		if got := broker.Matches(tt.pattern, tt.key); got != tt.want {
			t.Errorf("Matches(%q, %q) = %v", tt.pattern, tt.key, got)
		}
	}
}

func TestLevelsAreWrittenShort(t *testing.T) {
	var got []string
	for _, d := range append(broker.Delays(), 90*time.Second, 1500*time.Millisecond) {
		got = append(got, broker.Level(d))
	}
	if want := "5s 30s 5m 30m 2h 90s 1500ms"; strings.Join(got, " ") != want {
		t.Errorf("levels %q, want %s", got, want)
	}
	delays := broker.Delays()
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 4: 30 * time.Minute, 5: 2 * time.Hour, 99: 2 * time.Hour} {
		if got := broker.DelayAfter(delays, failures); got != want {
			t.Errorf("after %d failures a message waits %s, want %s", failures, got, want)
		}
	}
}

func TestFailuresKeepWhatTheErrorQueueNeeds(t *testing.T) {
	plain := errors.New("no such product\x00\xff")
	for _, tt := range []struct {
		err          error
		code, reason string
		final        bool
	}{
		{plain, "failed", "no such product\uFFFD\uFFFD", false},
		{fmt.Errorf("apply: %w", broker.Permanent("invalid", errors.New("no unit"))), "invalid", "apply: no unit", true},
		{&broker.Failure{Code: "not_found", Err: errors.New("later")}, "not_found", "later", false},
		{errors.New(strings.Repeat("ä", 5_000)), "failed", strings.Repeat("ä", 1_000), false},
	} {
		code, reason, final := broker.FailureOf(tt.err)
		if code != tt.code || reason != tt.reason || final != tt.final {
			t.Errorf("%.50s: %s, %.50q, %v", tt.err, code, reason, final)
		}
	}
}
