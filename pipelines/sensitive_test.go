package pipelines_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crossdock/pipelines"
	"crossdock/schemas"
)

func TestSensitiveColumns(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a list", "sensitive: [IBAN]", ""},
		{"one", "sensitive: IBAN", ""},
		{"no list", "sensitive: { a: b }", "a.yaml:5:1: sensitive: must list the columns of the source"},
		{"a column that is not there", "sensitive: [Nr2, IBAM]", `a.yaml:5:13: sensitive[0]: the source has no column "Nr2", did you mean Nr?`},
		{"the key", "sensitive: [IBAN, Nr]", "a.yaml:5:19: sensitive[1]: Nr makes up the key sku"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, message := parse(t, tt.text+"\n")
			if p != nil {
				if _, err := p.Start([]string{"Nr", "Name", "IBAN"}, nil, nil); err != nil {
					message = err.Error()
				}
			}
			if !strings.HasPrefix(message, tt.want) || tt.want == "" && message != "" {
				t.Errorf("error %q, want %q", message, tt.want)
			}
		})
	}
}

func TestPrivacyOfColumns(t *testing.T) {
	text := strings.Replace(whole, "map:\n", "sensitive: [Menge]\nmap:\n  brand: { expr: 'Marke + Menge' }\n", 1)
	p, err := pipelines.Parse("a.yaml", []byte(text), schemas.Default())
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.Start([]string{"Artikel", "Bezeichnung", "Menge", "Gebinde", "Kz", "Typ", "Marke"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []pipelines.Privacy{pipelines.Public, pipelines.FreeText, pipelines.Sensitive, pipelines.Public, pipelines.Public, pipelines.FreeText, pipelines.FreeText} {
		if got := x.Privacy(i); got != want {
			t.Errorf("column %d has privacy %d, want %d", i, got, want)
		}
	}
	for field, want := range map[string]bool{"brand": true, "min_order_quantity": true, "name.de": false, "name": false, "": false} {
		if x.IsSensitive(field) != want {
			t.Errorf("IsSensitive(%q) = %t, want %t", field, !want, want)
		}
	}
}

func TestTheProfileOfASensitiveColumnHasNoValues(t *testing.T) {
	p, message := parse(t, "sensitive: [Name]\n")
	if message != "" {
		t.Fatal(message)
	}
	x, err := p.Start([]string{"Nr", "Name"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.Record()
	if _, err := x.Process(t.Context(), batch("Nr;Name", "A-1;Mutter", "A-2;Bolzen")); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(x.Profile())
	if err != nil || strings.Contains(string(text), "Mutter") || !strings.Contains(string(text), "A-1") {
		t.Errorf("profile %s, %v; want the values of Nr alone", text, err)
	}
}

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name, text string
		want       pipelines.Retention
		wantErr    string
	}{
		{"unset", "", pipelines.Retention{Errors: 90 * day, Noted: 30 * day}, ""},
		{"set", "retention: { errors: 7d, noted: 12h }", pipelines.Retention{Errors: 7 * day, Noted: 12 * time.Hour}, ""},
		{"never", "retention: { errors: never }", pipelines.Retention{Noted: 30 * day}, ""},
		{"an unknown key", "retention: { error: 7d }", pipelines.Retention{}, "a.yaml:5:14: retention.error: unknown key, did you mean errors?"},
		{"no unit", "retention: { errors: 90 }", pipelines.Retention{}, `a.yaml:5:14: retention.errors: is "90", but must be an age such as 90d or 12h, or never`},
		{"nothing", "retention: { errors: 0d }", pipelines.Retention{}, `a.yaml:5:14: retention.errors: is "0d"`},
		{"too long", "retention: { noted: 99999d }", pipelines.Retention{}, `a.yaml:5:14: retention.noted: is "99999d"`},
		{"no age", `retention: { noted: "" }`, pipelines.Retention{}, `a.yaml:5:14: retention.noted: is ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, message := parse(t, tt.text)
			if !strings.HasPrefix(message, tt.wantErr) || tt.wantErr == "" && message != "" {
				t.Fatalf("error %q, want %q", message, tt.wantErr)
			}
			if p != nil && p.Retention != tt.want {
				t.Errorf("retention %+v, want %+v", p.Retention, tt.want)
			}
		})
	}
}
