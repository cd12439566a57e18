package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/internal/gateway"
	"crossdock/internal/web"
)

// TestOnePartIsAwayAndTheOthersGoOn is the promise of the split, with every part
// in a process of its own and the gateway before them.
func TestOnePartIsAwayAndTheOthersGoOn(t *testing.T) {
	in := newEstate(t, map[string]string{"products": productPipeline, "stock": stockPipeline, "houses": housesPipeline})
	for _, part := range []string{"catalog", "pricing", "inventory", "accounts", "hub", gatewayPart} {
		in.start(t, part)
	}
	at := in.processes[gatewayPart].url
	for _, u := range []struct{ pipeline, content string }{
		{"products", "Nr,Name\n0017,Mutter\n0018,Keil\n"}, {"houses", "Lager,Name\nHH,Hamburg\n"}, {"stock", "Nr,Lager,Menge\n0017,HH,5\n"},
	} {
		if run := awaitRun(t, at, upload(t, at, u.pipeline, u.content).Run, ended); run.Status != "succeeded" || run.Applied != run.Read {
			t.Fatalf("%s: %+v", u.pipeline, run)
		}
	}
	t.Run("all is there", func(t *testing.T) { allIsThere(t, in, at) })
	t.Run("inventory is killed", func(t *testing.T) { inventoryIsKilled(t, in, at) })
	t.Run("the hub is killed", func(t *testing.T) { hubIsKilled(t, in, at) })
	t.Run("the catalogue is restarted under reads", func(t *testing.T) { catalogIsRestarted(t, in, at) })
}

func allIsThere(t *testing.T, in *estate, at string) {
	if status, body := ask(t, http.MethodGet, at+"/v1/products/0017"); status != http.StatusOK || !strings.Contains(body, "Mutter") {
		t.Errorf("product: %d %s", status, body)
	}
	if status, body := ask(t, http.MethodPost, at+"/internal/catalog/product/known", "Authorization", "Bearer "+testToken); status != http.StatusNotFound {
		t.Errorf("what is internal: %d %s", status, body)
	}
	answer, err := http.Get(at + "/v1/products")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if status, body := ask(t, http.MethodGet, at+"/v1/products", "If-None-Match", answer.Header.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("the list that is held: %d %s", status, body)
	}
	var doc struct{ Paths map[string]any }
	if status, body := ask(t, http.MethodGet, at+"/openapi.json"); status != http.StatusOK || json.Unmarshal([]byte(body), &doc) != nil {
		t.Errorf("document: %d %s", status, body)
	}
	for _, path := range []string{"/v1/products/{sku}", "/v1/prices", "/v1/availability", "/v1/accounts", "/v1/runs/{id}", "/v1/events"} {
		if doc.Paths[path] == nil {
			t.Errorf("the document lacks %s", path)
		}
	}
	if text := in.processes[gatewayPart].text(); !strings.Contains(text, "the gateway lets everyone in") {
		t.Errorf("the gateway does not say that it asks for no token: %s", text)
	}
}

func inventoryIsKilled(t *testing.T, in *estate, at string) {
	in.processes["inventory"].kill(t)
	waiting := upload(t, at, "stock", "Nr,Lager,Menge\n0017,HH,7\n0018,HH,1\n0019,XX,1\n")
	for _, path := range []string{"/v1/products", "/v1/prices?sku=0017", "/v1/accounts", "/v1/runs"} {
		if status, body := ask(t, http.MethodGet, at+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	waits := func(run runView) bool { return strings.HasPrefix(run.Error, "waits for a service: ") || ended(run) }
	if run := awaitRun(t, at, waiting.Run, waits); run.Status != "queued" || !strings.Contains(run.Error, "inventory at "+in.processes["inventory"].url) {
		t.Errorf("the upload of stock: %+v, want that it waits for inventory", run)
	}
	if run := awaitRun(t, at, upload(t, at, "products", "Nr,Name\n0017,Mutter M5\n").Run, ended); run.Status != "succeeded" || run.Applied != 1 {
		t.Errorf("an upload of products meanwhile: %+v", run)
	}
	if status, body := ask(t, http.MethodGet, at+"/v1/availability?sku=0017"); status != http.StatusServiceUnavailable || !strings.Contains(body, "inventory cannot be reached") {
		t.Errorf("stock: %d %s", status, body)
	}
	in.start(t, "inventory")
	if run := awaitRun(t, at, waiting.Run, ended); run.Status != "partial" || run.Read != 3 || run.Applied != 2 || run.Rejected != 1 || run.Error != "" {
		t.Errorf("the upload of stock: %+v, want it finished by itself", run)
	}
	if status, body := ask(t, http.MethodGet, at+"/v1/availability?sku=0017"); status != http.StatusOK || !strings.Contains(body, `"on_hand":"7"`) {
		t.Errorf("stock: %d %s", status, body)
	}
}

func hubIsKilled(t *testing.T, in *estate, at string) {
	const rows = 40_000
	var file strings.Builder
	file.WriteString("Nr,Name\n")
	for i := range rows {
		fmt.Fprintf(&file, "S-%d,Mutter M%d\n", i, i%90+1)
	}
	run := upload(t, at, "products", file.String())
	begun := awaitRun(t, at, run.Run, func(run runView) bool { return run.Read > 0 || ended(run) })
	in.processes["hub"].kill(t)
	if ended(begun) {
		t.Logf("the run had ended before the kill: %+v", begun)
	}
	in.start(t, "hub")
	if run = awaitRun(t, at, run.Run, ended); run.Status != "succeeded" || run.Read != rows || run.Applied != rows {
		t.Errorf("the run: %+v, want each of %d rows applied once", run, rows)
	}
	if again := awaitRun(t, at, upload(t, at, "products", file.String()).Run, ended); again.Unchanged != rows {
		t.Errorf("the same again: %+v, want all rows unchanged", again)
	}
}

func catalogIsRestarted(t *testing.T, in *estate, at string) {
	var reads, failed atomic.Int64
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { // ends when stop is closed
			client := &http.Client{Timeout: time.Minute}
			for {
				select {
				case <-stop:
					return
				default:
				}
				answer, err := client.Get(at + "/v1/products/0017")
				if err == nil {
					answer.Body.Close()
				}
				if reads.Add(1); err != nil || answer.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Errorf("a read failed: %v %+v", err, answer)
				}
			}
		})
	}
	for range 2 {
		before := reads.Load()
		in.processes["catalog"].stop(t)
		in.start(t, "catalog")
		for deadline := time.Now().Add(30 * time.Second); reads.Load() < before+20 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	close(stop)
	group.Wait()
	if reads.Load() < 40 || failed.Load() > 0 {
		t.Errorf("%d of %d reads failed", failed.Load(), reads.Load())
	}
}

func TestTheGatewayKnowsWhatEachServiceServes(t *testing.T) {
	s := serveForTest(t)
	addresses := map[string]string{}
	for _, name := range partNames() {
		addresses[name] = "http://" + name + ":1"
	}
	owners := map[string]string{} // by path, as the services register them
	for i, one := range s.system.services {
		for path := range documented(one.Register) {
			owners[path] = parts()[i].name
		}
	}
	var doc struct{ Paths map[string]any }
	s.get(t, "/openapi.json", &doc)
	front := frontOf(t, addresses)
	for path := range doc.Paths {
		want := owners[path]
		if want == "" {
			want = "hub"
		}
		if got := front.Upstream(path); got != want {
			t.Errorf("the gateway routes %s to %q, and %s serves it: add it to upstreams in gateway.go", path, got, want)
		}
	}
}

// documented returns the paths that register adds to an API.
func documented(register func(huma.API)) map[string]*huma.PathItem {
	api := web.NewAPI(http.NewServeMux(), web.Info{Title: "x", Version: "1"})
	register(api)
	return api.OpenAPI().Paths
}

func frontOf(t *testing.T, addresses map[string]string) *gateway.Gateway {
	t.Helper()
	front, err := gateway.New(gateway.Config{Upstreams: upstreams(addresses), Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return front
}
