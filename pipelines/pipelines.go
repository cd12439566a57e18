// Package pipelines says what happens to a row between its source and its
// service: it is mapped to the columns of an entity and checked by rules. It
// is pure: reading, writing and time are its callers'.
//
//	YAML ──Parse──> Pipeline ──Start(columns, tables)──> Processor ──Process(batch)──> Result
//
// Begin with [Parse] and [Processor.Process]; the language is described in
// docs/pipelines.md.
package pipelines

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/pipelines/mapping"
	"crossdock/pipelines/quality"
	"crossdock/schemas"
)

// A Pipeline is what one file says. It holds no state of a run.
type Pipeline struct {
	Name    string
	File    string // as the user named it
	Hash    string // of the text, in hex: two runs of equal hash did the same
	Entity  *schemas.Entity
	Source  Source
	Lookups []Lookup
	Mapping *mapping.Mapping
	Rules   *quality.Rules

	// StopAbove is the share of rejected rows, from 0 to 1, above which a run
	// stops; it is 1 where none is set.
	StopAbove float64

	Guard Guard
	Files Files
	Wait  Wait

	// Drift says how far the columns of the source may move before it is told.
	Drift     DriftLimits
	Retention Retention
	Sensitive []string // columns of the source whose cells are not kept

	// Checks must be true of the rows of a run as a whole.
	Checks []*Check
	// Referenced are checks of what the target holds behind a run.
	Referenced []ReferencedBy

	Snapshot *Snapshot // nil: what the source does not hold stays as it is

	rules []any // as written
	doc   *document
}

// A Source names a connector and its settings, as written.
type Source struct {
	Connector string
	Settings  map[string]any
}

// A Lookup is a table to look values up in.
type Lookup struct {
	Name       string
	Source     Source
	Keys       []string
	Duplicates string // "", first or last
}

func topKeys() []string {
	return []string{
		"pipeline", "source", "entity", "mode", "snapshot", "filter", "lookups", "map", "rules", "on_reject", "guard", "drift", "checks",
		"files", "wait", "empty", "duplicates", "retention", "sensitive",
	}
}

// A Table is a lookup table in memory.
type Table = mapping.Table

// NewTable returns the table, empty; its rows are added by the batch.
func (l *Lookup) NewTable() *Table { return mapping.NewTable(l.Name, l.Keys, l.Duplicates) }

// References answer rules about rows that the services hold.
type References = quality.References

// A Survey is what a pass over all rows of a source has found.
type Survey = quality.Survey

// Scratch is a file to which the keys of a run are moved when there are many.
type Scratch = quality.Scratch

var pipelineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// Parse reads a pipeline. Its error is Faults, all that can be said without
// looking at the source.
func Parse(file string, text []byte, registry *schemas.Registry) (*Pipeline, error) {
	d, err := parseDocument(file, text)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	p := &Pipeline{File: file, Hash: hex.EncodeToString(sum[:]), doc: d}
	keys := topKeys()
	for _, key := range d.order[""] {
		if !slices.Contains(keys, key) {
			d.fault(key, "unknown key%s (there are %s)", schemas.DidYouMean(key, keys), strings.Join(keys, ", "))
		}
	}
	p.Name = d.text("pipeline", true)
	if p.Name != "" && !pipelineName.MatchString(p.Name) {
		d.fault("pipeline", "%s must be letters, digits, - and _, at most 100", schemas.QuoteShort(p.Name))
	}
	p.Source = d.source("source", d.root["source"])
	p.parseLookups()
	p.parseOnReject()
	p.parseGuard()
	p.parseDrift()
	p.parseFiles()
	p.parseRetention()
	p.parseSensitive()
	p.parseEntity(registry)
	p.parseMode()
	p.parseWait(registry)
	p.parseFieldGuards()
	if err := d.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// parseEntity reads what depends on the entity: mapping and rules.
func (p *Pipeline) parseEntity(registry *schemas.Registry) {
	d := p.doc
	name := d.text("entity", true)
	assignments := d.assignments()
	filter := d.text("filter", false)
	if name == "" {
		return
	}
	var err error
	if p.Entity, err = registry.Entity(name); err != nil {
		d.fault("entity", "%s", err)
		return
	}
	tables := make([]string, len(p.Lookups))
	for i, l := range p.Lookups {
		tables[i] = l.Name
	}
	var errs connectors.SettingErrors
	if p.Mapping, errs = mapping.Compile(p.Entity, filter, assignments, tables); len(errs) > 0 {
		d.settingFaults("", errs)
		return
	}
	p.parseEmpty()
	specs, ok := d.root["rules"].([]any)
	if !ok && d.root["rules"] != nil {
		d.fault("rules", "must be a list, each item a rule such as `- required: name.en`")
		return
	}
	p.rules = specs
	p.compileRules()
	p.parseChecks(registry)
}

// Fault places an error of a setting in the file, so that what only the source
// can tell, such as a column that it lacks, points at its line as well.
func (p *Pipeline) Fault(under string, err error) error {
	d := &document{file: p.File, places: p.doc.places}
	d.settingFaults(under, err)
	return d.err()
}

// IsSetting reports whether err is about settings, so that Fault can place it.
func IsSetting(err error) bool {
	var list connectors.SettingErrors
	var single *connectors.SettingError
	return errors.As(err, &list) || errors.As(err, &single)
}

func (d *document) text(key string, required bool) string {
	value, there := d.root[key]
	text, ok := value.(string)
	switch {
	case !there && required:
		d.fault("", "%s is missing", key)
	case there && !ok:
		d.fault(key, "must be text, not %v", value)
	case there && text == "":
		d.fault(key, "is empty")
	}
	return text
}

func (d *document) source(path string, value any) Source {
	m, ok := value.(map[string]any)
	if !ok {
		d.fault(path, "is missing: it names a connector and its settings, as in { connector: csv, path: products.csv }")
		return Source{}
	}
	settings := maps.Clone(m)
	connector, ok := settings["connector"].(string)
	if !ok {
		d.fault(path, "connector is missing (see: crossdock connectors list)")
	}
	delete(settings, "connector")
	return Source{Connector: connector, Settings: settings}
}

func (p *Pipeline) parseLookups() {
	d := p.doc
	value, there := d.root["lookups"]
	lookups, ok := value.(map[string]any)
	if there && !ok {
		d.fault("lookups", "must name tables, each with source and keys")
		return
	}
	for _, name := range d.order["lookups"] {
		path := "lookups." + name
		m, ok := lookups[name].(map[string]any)
		if !ok {
			d.fault(path, "must have source and keys")
			continue
		}
		l := Lookup{Name: name, Source: d.source(path+".source", m["source"])}
		l.Keys, ok = texts(m["keys"])
		if !ok || len(l.Keys) == 0 {
			d.fault(path+".keys", "must list the columns that find a row, as in [sku, language]")
		}
		l.Duplicates, _ = m["duplicates"].(string)
		if m["duplicates"] != nil && l.Duplicates != "first" && l.Duplicates != "last" {
			d.fault(path+".duplicates", "must be first or last")
		}
		for _, key := range d.order[path] {
			if known := []string{"source", "keys", "duplicates"}; !slices.Contains(known, key) {
				d.fault(path+"."+key, "unknown key%s", schemas.DidYouMean(key, known))
			}
		}
		p.Lookups = append(p.Lookups, l)
	}
}

func texts(value any) ([]string, bool) {
	if one, ok := value.(string); ok {
		return []string{one}, true
	}
	items, ok := value.([]any)
	list := make([]string, 0, len(items))
	for _, item := range items {
		text, isText := item.(string)
		ok = ok && isText
		list = append(list, text)
	}
	return list, ok
}

func (d *document) assignments() []mapping.Assignment {
	value, there := d.root["map"]
	m, ok := value.(map[string]any)
	if !there || !ok || len(m) == 0 {
		d.fault("map", "is missing: it names a source column for each field, as in `sku: Article number`")
		return nil
	}
	list := make([]mapping.Assignment, 0, len(m))
	for _, target := range d.order["map"] {
		list = append(list, mapping.Assignment{Target: target, From: m[target]})
	}
	return list
}

func (p *Pipeline) parseOnReject() {
	d := p.doc
	p.StopAbove = 1
	value, there := d.root["on_reject"]
	m, ok := value.(map[string]any)
	if there && !ok {
		d.fault("on_reject", "must be a mapping, as in { stop_above: 20%% }")
	}
	for _, key := range d.order["on_reject"] {
		if key != "stop_above" {
			d.fault("on_reject."+key, "unknown key%s", schemas.DidYouMean(key, []string{"stop_above"}))
			continue
		}
		share, err := parseShare(m[key])
		if err != nil {
			d.fault("on_reject.stop_above", "%s", err)
			continue
		}
		p.StopAbove = share
	}
}

// parseShare reads "20%" as 0.2.
func parseShare(value any) (float64, error) {
	text, percent := strings.CutSuffix(fmt.Sprint(value), "%")
	share, err := schemas.ParseDecimal(strings.TrimSpace(text))
	if err != nil || !percent || share < 0 || share.Float() > 100 {
		return 0, fmt.Errorf("is %s, but must be a share from 0%% to 100%%", schemas.QuoteShort(fmt.Sprint(value)))
	}
	return math.Min(share.Float()/100, 1), nil
}
