package schemas

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"sync"
)

//go:embed entities/*.json
var declarations embed.FS

// entityOrder is the order of help, and one in which every entity stands
// behind those that it refers to.
const entityOrder = "category category_attribute product supplier price_list price warehouse stock_level account address"

// A Registry knows the entities by name.
type Registry struct {
	entities []*Entity
}

// Default returns the registry that ships with Crossdock.
//
//nolint:gochecknoglobals // loaded once, and never changed
var Default = sync.OnceValue(func() *Registry {
	r, err := load(declarations)
	if err != nil {
		panic(err) // the declarations are part of the binary, and a test loads them
	}
	return r
})

func load(files fs.FS) (*Registry, error) {
	r := &Registry{}
	for name := range bytes.FieldsSeq([]byte(entityOrder)) {
		text, err := fs.ReadFile(files, "entities/"+string(name)+".json")
		if err != nil {
			return nil, err
		}
		e := &Entity{}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(e); err != nil {
			return nil, fmt.Errorf("entities/%s.json: %w", name, err)
		}
		e.Fields = append(e.Fields, Field{
			Name: DeletedField, Type: Boolean, Example: "false",
			Doc: "True deletes the row with this key.",
		})
		r.entities = append(r.entities, e)
	}
	known := func(name string) bool { return r.byName(name) != nil }
	for _, e := range r.entities {
		if err := e.valid(known); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Entities returns all of them, referred-to before referring.
func (r *Registry) Entities() []*Entity { return r.entities }

// Entity returns the entity with the name given. The error names the nearest.
func (r *Registry) Entity(name string) (*Entity, error) {
	if e := r.byName(name); e != nil {
		return e, nil
	}
	names := make([]string, len(r.entities))
	for i, e := range r.entities {
		names[i] = e.Name
	}
	return nil, fmt.Errorf("unknown entity %s%s (see: crossdock schema list)", name, DidYouMean(name, names))
}

func (r *Registry) byName(name string) *Entity {
	for _, e := range r.entities {
		if e.Name == name {
			return e
		}
	}
	return nil
}
