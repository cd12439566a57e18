package commerce

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

const written = `{"specversion":"1.0","id":"run-7.3.changed.1","source":"/catalog","type":"catalog.product.changed.v1",` +
	`"time":"2026-11-21T06:00:00.000125Z","sequence":"0000000000000000042",` +
	`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json","data":{"keys":["A"]}}`

func someEvent() Event {
	return Event{
		ID: "run-7.3.changed.1", Source: "/catalog", Type: "catalog.product.changed.v1", Sequence: 42,
		Time: time.Date(2026, 11, 21, 6, 0, 0, 125_000, time.UTC), Data: json.RawMessage(`{"keys":["A"]}`),
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
}

func TestAnEventIsACloudEvent(t *testing.T) {
	text, err := json.Marshal(someEvent())
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != written {
		t.Errorf("written as\n%s\nwant\n%s", text, written)
	}
	var read Event
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if want := someEvent(); !reflect.DeepEqual(read, want) {
		t.Errorf("read %+v, want %+v", read, want)
	}
}

func TestAttributesOfNewerServicesArePassedOver(t *testing.T) {
	var read Event
	if err := json.Unmarshal([]byte(strings.Replace(written, `"source"`, `"tenant":"x","source"`, 1)), &read); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, someEvent()) {
		t.Errorf("read %+v", read)
	}
}

func TestFaultyEventsAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, old, with, want string }{
		{"other version", `"specversion":"1.0"`, `"specversion":"0.3"`, `specversion: is "0.3"`},
		{"no version", `"specversion":"1.0",`, ``, `specversion: is ""`},
		{"no id", `"id":"run-7.3.changed.1",`, ``, "id: has 0 bytes"},
		{"long id", `run-7.3.changed.1`, strings.Repeat("x", 256), "id: has 256 bytes"},
		{"no source", `"/catalog"`, `""`, `source: "" is no reference`},
		{"source with a space", `/catalog`, `/my catalog`, `source: "/my catalog" is no reference`},
		{"type without version", `changed.v1`, `changed`, `type: "catalog.product.changed" is none`},
		{"type in capitals", `catalog.product`, `catalog.Product`, `type: "catalog.Product.changed.v1" is none`},
		{"id is a number", `"id":"run-7.3.changed.1"`, `"id":7`, "id: 7 is no value of it"},
		{"id is null", `"id":"run-7.3.changed.1"`, `"id":null`, "id: null is no value of it"},
		{"id twice", `"source"`, `"id":"b","source"`, "id: stands there twice"},
		{"name in other letters", `"id"`, `"ID"`, "id: has 0 bytes"},
		{"time is a date", `2026-11-21T06:00:00.000125Z`, `2026-11-21`, `time: "2026-11-21" is none such as`},
		{"sequence below zero", `0000000000000000042`, `-1`, "sequence: -1 is below zero"},
		{"sequence is no number", `0000000000000000042`, `4x`, `sequence: "4x" is no number`},
		{"no sequence", `"sequence":"0000000000000000042",`, ``, `sequence: "" is no number`},
		{"other data", `application/json`, `text/plain`, `datacontenttype: is "text/plain"`},
		{"data is a list", `{"keys":["A"]}`, `[]`, "data: is no JSON object"},
		{"no data", `,"data":{"keys":["A"]}`, ``, "data: is no JSON object"},
		{"no object", written, `[]`, "is no JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var read Event
			err := json.Unmarshal([]byte(strings.Replace(written, tt.old, tt.with, 1)), &read)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := json.Marshal(Event{ID: "x"}); err == nil || !strings.Contains(err.Error(), "event x: type:") {
		t.Errorf("an event without a type is written: %v", err)
	}
	e := someEvent()
	e.Time = time.Time{}
	if err := e.Check(); err == nil || err.Error() != "time: required" {
		t.Errorf("an event without a time: %v", err)
	}
}

func TestTypesMatchPatterns(t *testing.T) {
	const product = "catalog.product.changed.v1"
	for pattern, want := range map[string]bool{
		"*": true, "catalog.*": true, "catalog.product.*": true, product: true,
		"cat.*": false, "pricing.*": false, "catalog.product.changed.v2": false, "catalog.product.changed.v11": false,
	} {
		if err := CheckTypePattern(pattern); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		if got := TypeMatches(pattern, product); got != want {
			t.Errorf("%s matches: %t, want %t", pattern, got, want)
		}
	}
	for _, pattern := range []string{"", "cat*", "catalog", "*.product", "catalog.#", "catalog.*.v1", strings.Repeat("a.", 200) + "*"} {
		if err := CheckTypePattern(pattern); CodeOf(err) != Invalid {
			t.Errorf("%q: error = %v, want an invalid pattern", pattern, err)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte(`{"specversion":"1.0","data":{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e, again Event
		if json.Unmarshal(text, &e) != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("read %q and cannot write it: %v", text, err)
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("wrote %s and cannot read it: %v", out, err)
		}
		third, err := json.Marshal(again)
		if err != nil || string(third) != string(out) {
			t.Fatalf("wrote %s, then %s (%v)", out, third, err)
		}
	})
}

func TestIDsOfEventsSortByTimeAndAreUnique(t *testing.T) {
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	last := ""
	for i := range 1000 {
		id := NewEventID(at.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 26 || id <= last || seen[id] {
			t.Fatalf("%q follows %q", id, last)
		}
		seen[id], last = true, id
	}
	// The time of the example in the specification of ULIDs.
	if id := NewEventID(time.UnixMilli(1469918176385)); id[:10] != "01ARYZ6S41" {
		t.Errorf("%s does not begin with the time", id)
	}
}

func TestATraceIsHandedOn(t *testing.T) {
	if got := TraceOf(t.Context()); got != "" {
		t.Errorf("trace %q out of nothing", got)
	}
	if got := TraceOf(WithTrace(t.Context(), "00-a-b-01")); got != "00-a-b-01" {
		t.Errorf("trace %q", got)
	}
}
