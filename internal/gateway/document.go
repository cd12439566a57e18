package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"crossdock/internal/web"
)

const (
	documentTimeout = 5 * time.Second
	maxDocument     = 16 << 20
)

// A document is what an upstream said of its API when it was asked last.
type document struct {
	mu   sync.Mutex
	last map[string]any
}

// Document serves the OpenAPI documents of all upstreams as one: what is routed
// of each. An upstream that is away is shown as it was; one that was never there
// is named in the description.
func (g *Gateway) Document(info map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), documentTimeout)
		defer cancel()
		docs := make([]map[string]any, len(g.servers))
		var group sync.WaitGroup
		for i, s := range g.servers {
			group.Go(func() { docs[i] = s.describe(ctx) })
		}
		group.Wait()
		var missing []string
		all := map[string]any{"openapi": "3.1.0", "info": maps.Clone(info), "paths": map[string]any{}}
		for i, s := range g.servers {
			if docs[i] == nil {
				missing = append(missing, s.Name)
				continue
			}
			g.merge(all, s, docs[i])
		}
		if len(missing) > 0 {
			all["info"].(map[string]any)["description"] = fmt.Sprintf("%v Not described here, because they cannot be reached: %s.",
				info["description"], strings.Join(missing, ", "))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(all) // whoever does not read it is gone
	})
}

// describe returns the document of the upstream, that of before where it is
// away, and nil where there is none. It may be changed.
func (s *server) describe(ctx context.Context) map[string]any {
	fresh, err := s.fetch(ctx)
	s.doc.mu.Lock()
	defer s.doc.mu.Unlock()
	if err != nil {
		web.Note(ctx, fmt.Errorf("document of %s: %w", s.Name, err))
		return s.doc.last
	}
	s.doc.last = fresh
	return fresh
}

func (s *server) fetch(ctx context.Context) (map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.URL, "/")+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.tries.next.RoundTrip(r) // once: it is only a description
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	var doc map[string]any
	return doc, json.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(&doc)
}

// merge adds the paths that are routed to the server, and all components. A
// component whose name another server has for something else gets a name of its own.
func (g *Gateway) merge(all map[string]any, s *server, doc map[string]any) {
	renamed := map[string]string{}
	theirs, _ := doc["components"].(map[string]any)
	for _, kind := range slices.Sorted(maps.Keys(theirs)) {
		entries, _ := theirs[kind].(map[string]any)
		ours := section(section(all, "components"), kind)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if there, taken := ours[name]; taken && !reflect.DeepEqual(there, entries[name]) {
				renamed["#/components/"+kind+"/"+name] = "#/components/" + kind + "/" + s.Name + "-" + name
			}
		}
	}
	for kind := range theirs {
		entries, _ := theirs[kind].(map[string]any)
		ours := section(section(all, "components"), kind)
		for name, entry := range entries {
			if to, ok := renamed["#/components/"+kind+"/"+name]; ok {
				name = to[strings.LastIndexByte(to, '/')+1:]
			}
			ours[name] = repoint(entry, renamed)
		}
	}
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		if g.route(path) == s {
			section(all, "paths")[path] = repoint(item, renamed)
		}
	}
}

// section returns an object in another, which it makes where it is missing.
func section(of map[string]any, name string) map[string]any {
	inner, ok := of[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		of[name] = inner
	}
	return inner
}

// repoint returns a value whose references name what was renamed.
func repoint(v any, renamed map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name] = repoint(value, renamed)
			if to, ok := renamed[fmt.Sprint(value)]; ok && name == "$ref" {
				out[name] = to
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = repoint(value, renamed)
		}
		return out
	default:
		return v
	}
}
