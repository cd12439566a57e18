package accounts

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/commerce"
	"crossdock/commerce/internal/servicetest"
	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
	"crossdock/schemas"
)

// A keeper is what callers of the service use, near or far.
type keeper interface {
	servicetest.Backend
	Account(ctx context.Context, code string) (Account, error)
	Accounts(ctx context.Context, q AccountQuery) (AccountPage, error)
}

// contract runs a test against the service and against its client, each with a
// service of its own.
func contract(t *testing.T, test func(t *testing.T, s keeper)) {
	t.Helper()
	t.Run("service", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, place store.Place) { test(t, open(t, place)) })
	})
	t.Run("client", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, place store.Place) {
			s := open(t, place)
			test(t, Dial(servicetest.Serve(t, s)))
		})
	})
}

func TestServiceAndClientDoTheSame(t *testing.T) {
	contract(t, func(t *testing.T, s keeper) {
		servicetest.Deliver(t, s,
			servicetest.Case{Entity: "account", Want: "3/0", Lines: []string{
				"account|name|tags|vat_number|attributes.segment|status",
				`K / 1|Nord|["wholesale","north"]|DE123456789|gold|active`,
				"K2|Süd|" + servicetest.Null + "|" + servicetest.Null + "|" + servicetest.Null + "|active",
				`K3|West|["north"]|` + servicetest.Absent + "|" + servicetest.Null + "|inactive",
			}},
			servicetest.Case{Entity: "address", Want: "3/0 reference@3.account", Lines: []string{
				"account|address|street|city|country|postal_code|shipping|billing",
				"K / 1|W2|Gleis 4|Kiel|DE|01067|true|false",
				"K / 1|HQ|Werft 1|Hamburg|DE|" + servicetest.Null + "|" + servicetest.Null + "|" + servicetest.Absent,
				"K2|HQ|Werft 1|Hamburg|DE|20457|true|true", "K9|HQ|Werft 1|Hamburg|DE|20457|true|true",
			}},
		)
		account, err := s.Account(t.Context(), "K / 1")
		want := Account{
			Account: "K / 1", Name: "Nord", VATNumber: "DE123456789", Tags: []string{"wholesale", "north"},
			Attributes: map[string]string{"segment": "gold"}, Status: "active",
			Addresses: []Address{
				{Address: "HQ", Street: "Werft 1", City: "Hamburg", Country: "DE", Shipping: true, Billing: true},
				{Address: "W2", Street: "Gleis 4", PostalCode: "01067", City: "Kiel", Country: "DE", Shipping: true},
			},
		}
		if diff := cmp.Diff(want, account); diff != "" || err != nil {
			t.Error(diff, err)
		}
		_, err = s.Account(t.Context(), "K9")
		if e, ok := errors.AsType[*commerce.Error](err); !ok || e.Code != commerce.NotFound || e.Error() != "there is no account K9" {
			t.Errorf("error %v", err)
		}
		known, err := s.Known(t.Context(), "account", []string{"K2", "K9"})
		if diff := cmp.Diff([]bool{true, false}, known); diff != "" || err != nil {
			t.Error(diff, err)
		}
		lines, _ := servicetest.Read(t, s, schemas.RowsRequest{Entity: "address", Where: map[string]string{"account": "K2"}})
		if len(lines) != 2 {
			t.Errorf("rows %q", lines)
		}
	})
}

func TestAccountsAreListedByPages(t *testing.T) {
	contract(t, func(t *testing.T, s keeper) {
		lines := []string{"account|name|tags|status"}
		for i := range 5 {
			lines = append(lines, fmt.Sprintf(`K%d|Name %d|["t%d"]|active`, i, i, i%2))
		}
		servicetest.Deliver(t, s, servicetest.Case{Entity: "account", Lines: append(lines, `K9|Old|["t1"]|inactive`), Want: "6/0"})
		for _, tt := range []struct {
			query AccountQuery
			want  string
		}{
			{AccountQuery{}, "K0 K1 K2 K3 K4"},
			{AccountQuery{Limit: 2}, "K0 K1, K2 K3, K4"},
			{AccountQuery{Status: "all", Tag: "t1"}, "K1 K3 K9"},
			{AccountQuery{Status: "inactive"}, "K9"},
			{AccountQuery{Tag: "none"}, ""},
		} {
			got := ""
			for {
				page, err := s.Accounts(t.Context(), tt.query)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range page.Items {
					if i > 0 {
						got += " "
					}
					got += a.Account
				}
				if page.NextCursor == "" {
					break
				}
				got, tt.query.Cursor = got+", ", page.NextCursor
			}
			if got != tt.want {
				t.Errorf("%+v: %q, want %q", tt.query, got, tt.want)
			}
		}
		if _, err := s.Accounts(t.Context(), AccountQuery{Cursor: "?"}); err == nil {
			t.Error("a cursor of nothing is taken")
		}
	})
}

func TestAppliedRowsArePutBack(t *testing.T) {
	contract(t, func(t *testing.T, s keeper) {
		servicetest.PutBack(t, s, "account", "name", "account|name", "K7|Sued")
	})
}
