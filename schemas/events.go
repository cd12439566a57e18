package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed events/*.json
var eventFiles embed.FS

// MaxEventKeys bounds the keys that one event names.
const MaxEventKeys = 500

// An EventType is a kind of event that a service tells of.
type EventType struct {
	Name    string          `json:"name"`    // catalog.product.changed.v1
	Service string          `json:"service"` // catalog
	Doc     string          `json:"doc"`     // one sentence
	Schema  json.RawMessage `json:"schema"`  // JSON Schema of its data
}

// EventTypes returns the types of events, by name. Their schemas are the files
// in events. Within a version members are only ever added.
func EventTypes() []EventType { return slices.Clone(loadEventTypes()) }

// loadEventTypes panics where a file cannot be read, which its test would find.
//
//nolint:gochecknoglobals // read once; nothing changes it
var loadEventTypes = sync.OnceValue(func() []EventType {
	files, err := eventFiles.ReadDir("events")
	if err != nil {
		panic(err)
	}
	var types []EventType
	for _, file := range files {
		text, err := eventFiles.ReadFile("events/" + file.Name())
		if err != nil {
			panic(err)
		}
		var head struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		}
		if err := json.Unmarshal(text, &head); err != nil {
			panic(fmt.Errorf("events/%s: %w", file.Name(), err))
		}
		service, _, _ := strings.Cut(head.Title, ".")
		types = append(types, EventType{Name: head.Title, Service: service, Doc: head.Description, Schema: text})
	}
	return types
})

// EventTypeOf returns the type of that name. The error names the nearest.
func EventTypeOf(name string) (EventType, error) {
	var names []string
	for _, t := range loadEventTypes() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return EventType{}, fmt.Errorf("there is no event %s%s", name, DidYouMean(name, names))
}

// ChangeEvents returns the types of the two events that a service tells of an
// entity's rows. The files of events hold them, beside those of other events.
func (e *Entity) ChangeEvents() []EventType {
	var types []EventType
	for _, kind := range []struct{ name, doc string }{
		{"changed", "Rows of " + e.Name + " were created or changed."},
		{"deleted", "Rows of " + e.Name + " were deleted."},
	} {
		name := e.Service + "." + e.Name + "." + kind.name + ".v1"
		types = append(types, EventType{Name: name, Service: e.Service, Doc: kind.doc, Schema: mustJSON(map[string]any{
			"$schema":     draft,
			"title":       name,
			"description": kind.doc,
			"type":        "object",
			"required":    []string{"batch", "keys"},
			"properties": map[string]any{
				"batch": map[string]any{
					"type": "string", "minLength": 1,
					"description": "The run that did it, and the number of the batch in it. A batch may have several events.",
					"examples":    []string{"20261121-141058-k7qd/17"},
				},
				"keys": map[string]any{
					"type": "array", "minItems": 1, "maxItems": MaxEventKeys, "items": e.keySchema(),
					"description": "The keys of the rows: read them anew to see what they hold now.",
				},
			},
		})})
	}
	return types
}

// keySchema says how events write a key: as a text, or as a list of its parts.
func (e *Entity) keySchema() map[string]any {
	var parts []any
	for _, f := range e.Key() {
		part := map[string]any{"type": "string", "description": f.Doc}
		if f.Example != "" {
			part["examples"] = []any{f.Example}
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return parts[0].(map[string]any)
	}
	return map[string]any{"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
}

const draft = "https://json-schema.org/draft/2020-12/schema"

// mustJSON writes what is made of texts, numbers, lists and objects.
func mustJSON(v any) json.RawMessage {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}
