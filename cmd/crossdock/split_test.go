package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSettingsOfASplitAreChecked(t *testing.T) {
	const token = "CROSSDOCK_INTERNAL_TOKEN=" + testToken
	all := []string{
		token, "CROSSDOCK_CATALOG_URL=http://c:1", "CROSSDOCK_PRICING_URL=http://p:1", "CROSSDOCK_INVENTORY_URL=http://i:1",
		"CROSSDOCK_ACCOUNTS_URL=http://a:1", "CROSSDOCK_HUB_URL=http://h:1",
	}
	for _, tt := range []struct {
		name  string
		parts string
		env   []string
		file  map[string]string
		want  string // "": nothing is wrong
	}{
		{"all in one", "", nil, nil, ""},
		{"all in one, and one elsewhere", "", all[:2], nil, "serve without names serves all parts, but CROSSDOCK_CATALOG_URL (or services.catalog in crossdock.yaml) says that catalog is elsewhere"},
		{"one", "catalog", all[:1], nil, ""},
		{"two", "pricing inventory", all[:1], nil, ""},
		{"the hub", "hub", all, nil, ""},
		{"the hub and all services", "hub catalog pricing inventory accounts", all[:1], nil, ""},
		{"the hub with a place of the file", "hub", all[:4], map[string]string{"accounts": "http://a:1"}, ""},
		{"the gateway needs no token", "gateway", all[1:], nil, ""},
		{"a short token of the gateway", "gateway", append(all[1:], "CROSSDOCK_GATEWAY_TOKEN=geheim"), nil, "CROSSDOCK_GATEWAY_TOKEN has 6 characters"},
		{"no such part", "catlog", all[:1], nil, `serve: there is no part "catlog", did you mean catalog? (there are catalog, pricing, inventory, accounts, hub, gateway)`},
		{"twice", "catalog catalog", all[:1], nil, "serve: catalog is named twice"},
		{"the gateway beside another", "gateway catalog", all, nil, "serve: the gateway runs in a process of its own"},
		{"a place that is not known", "hub", all[:4], nil, "serve hub: where is accounts? Set CROSSDOCK_ACCOUNTS_URL, or services.accounts in crossdock.yaml"},
		{"no token", "catalog", nil, nil, "parts in several processes need CROSSDOCK_INTERNAL_TOKEN"},
		{"a short token", "catalog", []string{"CROSSDOCK_INTERNAL_TOKEN=geheim"}, nil, "CROSSDOCK_INTERNAL_TOKEN has 6 characters, and needs at least 32"},
		{"a token that no header carries", "catalog", []string{token + "ü"}, nil, "CROSSDOCK_INTERNAL_TOKEN has characters that a header cannot carry"},
		{"a service of the file that is none", "", nil, map[string]string{"pricings": "http://p"}, "crossdock.yaml: services.pricings: there is no such part, did you mean pricing?"},
		{"a variable that is none", "", []string{"CROSSDOCK_CATALOGUE_URL=http://c"}, nil, "CROSSDOCK_CATALOGUE_URL: there is no part catalogue, did you mean catalog?"},
		{"other variables", "", []string{"CROSSDOCK_DATABASE_URL=x", "CROSSDOCK_AMQP_URL=y", "CROSSDOCK_TEST_POSTGRES_URL=z"}, nil, ""},
		{"no address", "", []string{"CROSSDOCK_CATALOG_URL=catalog:8081"}, nil, "CROSSDOCK_CATALOG_URL: is no address such as http://10.0.0.7:8081"},
		{"an address with a password", "", nil, map[string]string{"hub": "http://me:geheim@h"}, "crossdock.yaml: services.hub: has more than an address"},
		{"no duration", "", []string{"CROSSDOCK_DRAIN_DELAY=long"}, nil, `CROSSDOCK_DRAIN_DELAY: "long" is no duration such as 5s`},
		{"a long duration", "", []string{"CROSSDOCK_DRAIN_DELAY=1m"}, nil, "CROSSDOCK_DRAIN_DELAY (drain_delay): is 1m0s, but must be from 0s to 10s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(name string) string {
				for _, entry := range tt.env {
					if value, ok := strings.CutPrefix(entry, name+"="); ok {
						return value
					}
				}
				return ""
			}
			file := split{Services: tt.file}
			s, err := file.locate(getenv, tt.env)
			if err == nil {
				err = s.take(strings.Fields(tt.parts))
			}
			text := ""
			if err != nil {
				text = err.Error()
			}
			if tt.want == "" && text != "" || !strings.HasPrefix(text, tt.want) || strings.Contains(text, "geheim") {
				t.Errorf("error %q, want %q", text, tt.want)
			}
		})
	}
}

func TestWhatDoesNotStopIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		defer close(release)
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		err := within(ctx, stopLimit, func() error {
			<-release
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "did not stop within 28s") || time.Since(begun) != time.Second+stopLimit {
			t.Errorf("error %v after %s", err, time.Since(begun))
		}
		if err := within(t.Context(), stopLimit, func() error { return errors.New("broken") }); err == nil || err.Error() != "broken" {
			t.Errorf("error %v of what ended by itself", err)
		}
	})
}

const (
	productPipeline = "pipeline: products\nsource: { connector: csv, path: none.csv }\nentity: product\nmap: { sku: Nr, name.en: Name }\n"
	stockPipeline   = "pipeline: stock\nsource: { connector: csv, path: none.csv }\nentity: stock_level\nmap: { sku: Nr, warehouse: Lager, on_hand: Menge }\n"
	housesPipeline  = "pipeline: houses\nsource: { connector: csv, path: none.csv }\nentity: warehouse\nmap: { warehouse: Lager, name: Name }\n"
)

func TestPartsInProcessesOfTheirOwnDoTheSame(t *testing.T) {
	in := newEstate(t, map[string]string{"products": productPipeline, "stock": stockPipeline, "houses": housesPipeline})
	for _, part := range []string{"catalog", "pricing", "inventory", "accounts", "hub"} {
		in.start(t, part)
	}
	at, inventory := in.processes["hub"].url, in.processes["inventory"]
	for _, u := range []struct{ pipeline, content string }{
		{"products", "Nr,Name\n0017,Mutter\n0018,\n"}, {"houses", "Lager,Name\nHH,Hamburg\n"}, {"stock", "Nr,Lager,Menge\n0017,HH,5\n0018,XX,5\n"},
	} {
		run := upload(t, at, u.pipeline, u.content)
		if run = awaitRun(t, at, run.Run, ended); run.Error != "" || run.Applied != 1 || run.Rejected != run.Read-1 {
			t.Errorf("%s: %+v, want one row applied and the others rejected", u.pipeline, run)
		}
	}
	if status, body := ask(t, http.MethodGet, inventory.url+"/v1/availability?sku=0017"); status != http.StatusOK || !strings.Contains(body, `"on_hand":"5"`) {
		t.Errorf("availability: %d %s", status, body)
	}
	if status, body := ask(t, http.MethodGet, at+"/v1/events"); status != http.StatusOK || strings.Count(body, "changed.v1") != 3 {
		t.Errorf("events of all services: %d %s", status, body)
	}
	for _, tt := range []struct {
		url, token string
		status     int
	}{
		{inventory.url + "/internal/inventory/stock_level/known", "", http.StatusUnauthorized},
		{inventory.url + "/internal/inventory/stock_level/known", testToken + "x", http.StatusUnauthorized},
		{inventory.url + "/internal/nothing", "", http.StatusUnauthorized},
		{inventory.url + "/internal/nothing", testToken, http.StatusNotFound},
		{inventory.url + "/v1/products", "", http.StatusNotFound},
		{inventory.url + "/v1/runs", "", http.StatusNotFound},
		{at + "/v1/products", "", http.StatusNotFound},
	} {
		if status, body := ask(t, http.MethodPost, tt.url, "Authorization", "Bearer "+tt.token); status != tt.status {
			t.Errorf("%s with token %q: %d %s, want %d", tt.url, tt.token, status, body, tt.status)
		}
	}
	for part, p := range in.processes {
		p.stop(t)
		if strings.Contains(p.text(), testToken) {
			t.Errorf("%s writes the token into its log", part)
		}
	}
}

func TestAPartThatStopsIsNotReady(t *testing.T) {
	s := serveForTest(t).system
	if err := s.ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	stopping := make(chan struct{})
	close(stopping)
	s.stopping = stopping
	if err := s.ready(t.Context()); err == nil || err.Error() != "it is stopping" {
		t.Errorf("error %v", err)
	}
}
