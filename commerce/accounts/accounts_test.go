package accounts

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

func TestMain(m *testing.M) { os.Exit(storetest.With(m).Run()) }

// now is the time of every test.
func now() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }

func open(tb testing.TB, place store.Place) *Service {
	tb.Helper()
	s, err := New(tb.Context(), Config{Store: place, Clock: now, Log: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// apply applies lines as a batch of their own and returns the outcome in short.
func apply(tb testing.TB, s *Service, run, entity string, lines ...string) string {
	tb.Helper()
	o, err := s.Apply(tb.Context(), schemas.BatchID{Run: run, Seq: 1}, servicetest.Lines(tb, entity, lines...))
	if err != nil {
		tb.Fatal(err)
	}
	return servicetest.Summary(o)
}

func TestApplyHoldsAddressesToTheirAccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, place store.Place) {
		s := open(t, place)
		const address = "account|address|street|city|country"
		for i, tt := range []struct {
			name, entity string
			lines        []string
			want         string
		}{
			{"accounts", "account", []string{"account|name", "K1|Nord", "K2|Süd", "K3|West"}, "3/0"},
			{"addresses", "address", []string{address, "K1|HQ|Werft 1|Hamburg|DE", "K2|HQ|Werft 1|Hamburg|DE", "K9|HQ|Werft 1|Hamburg|DE"}, "2/0 reference@2.account"},
			{"an update needs the key alone", "address", []string{"account|address|city", "K1|HQ|Kiel"}, "1/0"},
			{"a creation needs more", "address", []string{"account|address|city", "K1|W2|Kiel"}, "0/0 required_at_creation@0.street"},
			{"the same again", "account", []string{"account|name", "K1|Nord"}, "0/1"},
			{"an account with addresses is deleted", "account", []string{"account|deleted", "K1|true", "K3|true"}, "1/0 referenced@0.account"},
			{"addresses are deleted", "address", []string{"account|address|deleted", "K1|HQ|true", "K9|HQ|true"}, "1/1"},
			{"then the account goes", "account", []string{"account|deleted", "K1|true"}, "1/0"},
			{"an unknown status", "account", []string{"account|name|status", "K4|Ost|maybe"}, "0/0 constraint@0."},
		} {
			if got := apply(t, s, string(rune('a'+i)), tt.entity, tt.lines...); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}
