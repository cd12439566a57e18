package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A call is one request of a conversation, and what its answer must have in it.
type call struct {
	method, path, body string
	status             int
	want               string // a regular expression
	header             [2]string
}

// talk has a conversation with the error queue, a call after another. GROUP and
// RUN stand for the problem of the missing name, and the run that was uploaded.
func talk(t *testing.T, s *served, replace *strings.Replacer, calls []call) {
	t.Helper()
	for _, c := range calls {
		path := replace.Replace(c.path)
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(replace.Replace(c.body))
		}
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.address+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if c.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != c.status || !regexp.MustCompile(replace.Replace(c.want)).Match(text) {
			t.Errorf("%s %s %s = %d %s\nwant %d %s", c.method, path, c.body, answer.StatusCode, text, c.status, c.want)
		}
		if media := answer.Header.Get("Content-Type"); c.status >= 400 && media != "application/problem+json" {
			t.Errorf("%s %s is answered as %s, want a problem", c.method, path, media)
		}
	}
}

func TestTheErrorQueueOverHTTP(t *testing.T) {
	s := serveForTest(t)
	run := s.upload(t, uploaded+"0020;;\n")
	var groups, more struct {
		Items []struct{ ID, Rule string }
		Total int
		Next  string `json:"next_cursor"`
	}
	s.get(t, "/v1/errors/groups?limit=1", &groups)
	s.get(t, "/v1/errors/groups?limit=1&cursor="+groups.Next, &more)
	if more.Total != 2 || len(more.Items) != 1 || more.Items[0].Rule != "gtin" || more.Next != "" {
		t.Fatalf("second page = %+v; want the last group", more)
	}
	if groups.Total != 2 || len(groups.Items) != 1 || groups.Items[0].Rule != "required" {
		t.Fatalf("groups = %+v; want the missing names first of two", groups)
	}
	replace := strings.NewReplacer("GROUP", groups.Items[0].ID, "RUN", run.Run)
	talk(t, s, replace, []call{
		// Reading.
		{"GET", "/v1/errors", "", 200, `"id":1,.*"id":2,.*"id":3,`, [2]string{}},
		{"GET", "/v1/errors?limit=1", "", 200, `"id":1,.*"next_cursor":"MQ"`, [2]string{}},
		{"GET", "/v1/errors?cursor=MQ&limit=1", "", 200, `\[{"id":2,`, [2]string{}},
		{"GET", "/v1/errors?cursor=x", "", 400, `query.cursor`, [2]string{}},
		{"GET", "/v1/errors?group=GROUP&run=RUN&pipeline=served&key=0020", "", 200, `\[{"id":3,[^\]]*\]`, [2]string{}},
		{"GET", "/v1/errors?q=MIA%25", "", 200, `"items":\[\]`, [2]string{}},
		{"GET", "/v1/errors?q=IS+EMPTY", "", 200, `"id":1,.*"id":3,`, [2]string{}},
		{"GET", "/v1/errors?status=replayed", "", 200, `"items":\[\]`, [2]string{}},
		{"GET", "/v1/errors?status=lost", "", 400, `query.status`, [2]string{}},
		{"GET", "/v1/errors?pipelin=x", "", 400, `did you mean pipeline\?`, [2]string{}},
		{"GET", "/v1/errors?pipeline=serve", "", 404, `did you mean served\?`, [2]string{}},
		{"GET", "/v1/errors?run=none", "", 404, `there is no run`, [2]string{}},
		{"GET", "/v1/errors?group=g0", "", 404, `no such group`, [2]string{}},
		{"GET", "/v1/errors/2", "", 200, `"rule":"gtin".*"row":{"Nr":"0019","Name":"Keil","EAN":"4006381333932"}`, [2]string{}},
		{"GET", "/v1/errors/99", "", 404, `error 99: not found`, [2]string{}},
		{"GET", "/v1/errors/x", "", 400, `path.id`, [2]string{}},
		{"GET", "/v1/errors/2/history", "", 200, `"items":\[\]`, [2]string{}},
		{"GET", "/v1/errors/99/history", "", 404, `not found`, [2]string{}},
		{"GET", "/v1/errors/2/future", "", 404, `no such address`, [2]string{}},
		{"GET", "/v1/errors/groups/GROUP", "", 200, `"rows":2,.*"distinct":1,"values":\[{"value":"","rows":2}\]`, [2]string{}},
		{"GET", "/v1/errors/groups/g0", "", 404, `no such group`, [2]string{}},
		{"GET", "/v1/errors.csv?group=GROUP", "", 200, `Nr,Name,EAN,_errors,_row,_row_token\n0018,,,Name: is empty, but required|0018`, [2]string{}},
		{"GET", "/v1/errors.xlsx", "", 200, `^PK`, [2]string{}},
		{"GET", "/v1/errors.csv?group=g0", "", 404, `no such group`, [2]string{}},

		// Changing one row.
		{"PATCH", "/v1/errors/2", `{"by":"kim","set":{"EAN":"4006381333931"}}`, 412, `changed by someone else`, [2]string{"If-Match", `"7"`}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","set":{"EAN":"4006381333931"}}`, 200, `"revision":1,.*"edited":{.*"EAN":"4006381333931"}.*"edit":{"rows":1,`, [2]string{"If-Match", `"0"`}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","set":{"EAN":"4006381333931"}}`, 200, `"revision":1,.*"edit":{"rows":0,`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","undo":true}`, 200, `"revision":2,.*"edit"`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","undo":true}`, 422, `no edit to undo`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","set":{"EAM":"x"}}`, 422, `did you mean EAN\?`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","assign":"lea","comment":"asked"}`, 200, `"assignee":"lea"`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim"}`, 422, `has nothing to change`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"set":{"EAN":""}}`, 422, `body.*by`, [2]string{}},
		{"PATCH", "/v1/errors/2", `{"by":"kim","sett":{}}`, 422, `unexpected property`, [2]string{}},
		{"PATCH", "/v1/errors/99", `{"by":"kim","comment":"x"}`, 404, `not found`, [2]string{}},
		{"GET", "/v1/errors/2/history", "", 200, `"kind":"edit".*"kind":"undo".*"kind":"assign".*"kind":"comment","note":"asked"`, [2]string{}},
		{"GET", "/v1/errors?assignee=lea", "", 200, `\[{"id":2,`, [2]string{}},

		// Changing a problem.
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim","set":"Bolzen","dry_run":true}`, 200, `"edit":{"rows":2,"cells":2,"dry_run":true,.*"would_pass":2`, [2]string{}},
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim","find":"x","set":"y"}`, 422, `goes without set`, [2]string{}},
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim","find":"(","regex":true}`, 422, `find: error parsing regexp`, [2]string{}},
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim","dry_run":true,"set":"y","comment":"x"}`, 422, `dry_run`, [2]string{}},
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim"}`, 422, `has nothing to change`, [2]string{}},
		{"PATCH", "/v1/errors/groups/g0", `{"by":"kim","set":"y"}`, 404, `no such group`, [2]string{}},
		{"PATCH", "/v1/errors/groups/GROUP", `{"by":"kim","set":"Bolzen","assign":"max","comment":"all"}`, 200, `"assignee":"max".*"edit":{"rows":2,`, [2]string{}},
		{"GET", "/v1/errors/groups?assignee=max", "", 200, `"total":1`, [2]string{}},

		// Discarding and replaying, once and again.
		{"POST", "/v1/errors/1:replay", `{"by":"kim"}`, 200, `"runs":\[{.*"applied":1`, [2]string{"Idempotency-Key", "a"}},
		{"POST", "/v1/errors/1:replay", `{"by":"kim"}`, 200, `{}`, [2]string{}},
		{"POST", "/v1/errors/1:discard", `{"by":"kim","reason":"x"}`, 409, `is not open: it is replayed`, [2]string{}},
		{"PATCH", "/v1/errors/1", `{"by":"kim","comment":"late"}`, 409, `is not open: it is replayed`, [2]string{}},
		{"POST", "/v1/errors/2:discard", `{"by":"kim"}`, 422, `reason`, [2]string{}},
		{"POST", "/v1/errors/2:discard", `{"by":"kim","reason":"gone"}`, 200, `"discarded":1`, [2]string{}},
		{"POST", "/v1/errors/2:discard", `{"by":"kim","reason":"gone"}`, 200, `"discarded":0`, [2]string{}},
		{"POST", "/v1/errors/2:delete", `{"by":"kim"}`, 404, `no such address`, [2]string{}},
		{"POST", "/v1/errors/x:replay", `{"by":"kim"}`, 404, `there is no error`, [2]string{}},
		{"POST", "/v1/errors/99:replay", `{"by":"kim"}`, 404, `not found`, [2]string{}},
		{"POST", "/v1/errors/groups/g0:replay", `{"by":"kim"}`, 404, `no such group`, [2]string{}},
		{"POST", "/v1/errors/groups/GROUP:replay", `{"by":"kim"}`, 200, `"runs":\[{.*"read":1,"applied":1`, [2]string{"Idempotency-Key", "b"}},
		{"POST", "/v1/errors/groups/GROUP:replay", `{"by":"kim"}`, 200, `"runs":\[{.*"read":1,"applied":1`, [2]string{"Idempotency-Key", "b"}},
		{"POST", "/v1/errors/groups/GROUP:replay", `{"by":"lea"}`, 422, `was used for another request`, [2]string{"Idempotency-Key", "b"}},
		{"POST", "/v1/errors/groups/GROUP:discard", `{"by":"kim","reason":"x"}`, 200, `"discarded":0`, [2]string{}},
		{"POST", "/v1/errors:replay", `{"by":"kim","pipeline":"served"}`, 200, `"runs":\[\]`, [2]string{}},
		{"POST", "/v1/errors:replay", `{"by":"kim"}`, 422, `chooses no rows`, [2]string{}},
		{"POST", "/v1/errors:replay", `{"by":"kim","ids":[1],"run":"RUN"}`, 422, `body.ids`, [2]string{}},
		{"POST", "/v1/errors:replay", `{"by":"kim","run":"none"}`, 404, `there is no run`, [2]string{}},
		{"POST", "/v1/errors:discard", `{"by":"kim","pipeline":"serve","reason":"x"}`, 404, `did you mean served\?`, [2]string{}},
		{"POST", "/v1/errors:discard", `{"by":"kim","run":"RUN","reason":"x"}`, 200, `"discarded":0`, [2]string{}},
		{"GET", "/v1/errors?status=discarded", "", 200, `\[{"id":2,`, [2]string{}},

		// The document names the addresses as clients use them.
		{"GET", "/openapi.json", "", 200, `"/v1/errors/groups/{id}:discard".*"/v1/errors/{id}/history".*"/v1/errors/{id}:replay".*"/v1/errors:import"`, [2]string{}},
	})
}

func TestAMendedFileIsTakenBackOverHTTP(t *testing.T) {
	s := serveForTest(t)
	s.upload(t, uploaded)
	_, _, exported := s.do(t, http.MethodGet, "/v1/errors.csv", "", nil)
	mended := strings.Replace(string(exported), "0018,,", "0018,Bolzen,", 1)
	for _, tt := range []struct {
		name   string
		parts  [][2]string
		status int
		want   string
	}{
		{"no file", [][2]string{{"by", "kim"}}, 422, "body.file is missing"},
		{"nobody", [][2]string{{"@file", mended}}, 422, "body.by is missing"},
		{"an unknown part", [][2]string{{"bye", "kim"}}, 422, "body.bye is not expected here"},
		{"neither true nor false", [][2]string{{"by", "kim"}, {"dry_run", "maybe"}, {"@file", mended}}, 422, "must be true or false"},
		{"no export", [][2]string{{"by", "kim"}, {"@file", uploaded}}, 422, "has no column _row_token"},
		{"a dry run", [][2]string{{"by", "kim"}, {"dry_run", "true"}, {"@file", mended}}, 200, `"rows":2,"fixed":1,"still_failing":0,"untouched":1,"closed":0,"unknown":0,"cells":1,"dry_run":true`},
		{"mended", [][2]string{{"by", "kim"}, {"@file", mended}}, 200, `"rows":2,"fixed":1,"still_failing":0,"untouched":1,"closed":0,"unknown":0,"cells":1,"runs":`},
		{"again", [][2]string{{"@file", mended}, {"by", "kim"}}, 200, `"rows":2,"fixed":0,"still_failing":0,"untouched":1,"closed":1,"unknown":0,"cells":0}`},
	} {
		contentType, body := form(t, tt.parts...)
		status, _, text := s.do(t, http.MethodPost, "/v1/errors:import", contentType, body)
		if status != tt.status || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, status, text, tt.status, tt.want)
		}
	}
	if status, _, text := s.do(t, http.MethodPost, "/v1/errors:import", "text/plain", strings.NewReader("x")); status != http.StatusUnsupportedMediaType {
		t.Errorf("a body that is no form: %d %s", status, text)
	}
	var left struct{ Items []struct{ ID int64 } }
	if s.get(t, "/v1/errors", &left); len(left.Items) != 1 {
		t.Errorf("open = %+v, want one", left)
	}
}
