package pipelines

import (
	"slices"

	"crossdock/schemas"
)

// A Snapshot says that a source holds all there is: what the target has in its
// scope and the source does not is deactivated.
type Snapshot struct {
	Scope   map[string]string // values that columns of the rows have; empty: all rows of the entity
	MaxLoss float64           // share of the rows in scope above which a run is held instead
}

const defaultMaxLoss = 0.1

func modes() []string { return []string{"upsert", "snapshot"} }

// parseMode reads the mode, and what goes with it. It comes after the mapping,
// whose constants are the scope where none is given.
func (p *Pipeline) parseMode() {
	d := p.doc
	mode := d.text("mode", false)
	if mode != "" && !slices.Contains(modes(), mode) {
		d.fault("mode", "is %s, but must be %s%s", schemas.QuoteShort(mode), oneOf(modes()), schemas.DidYouMean(mode, modes()))
	}
	section := d.section("snapshot", "{ scope: { list: dealer-eu } }", "scope")
	guard, _ := d.root["guard"].(map[string]any)
	loss, limited := guard["max_loss"]
	if mode != "snapshot" {
		if d.root["snapshot"] != nil {
			d.fault("snapshot", "goes with mode: snapshot")
		}
		if limited {
			d.fault("guard.max_loss", "goes with mode: snapshot, as other runs take nothing away")
		}
		return
	}
	p.Snapshot = &Snapshot{MaxLoss: defaultMaxLoss}
	p.Files.Whole = true // what was added to a file is not all there is
	if limited {
		p.Snapshot.MaxLoss = d.share("guard.max_loss", loss)
	}
	if p.Entity == nil || p.Mapping == nil {
		return // faulted already
	}
	if how := p.Entity.Deactivation; how != nil && !slices.ContainsFunc(p.Mapping.Columns(), func(c schemas.Column) bool { return c.Field.Name == how.Field }) {
		d.fault("mode", "of snapshot sets %s to %s where a row is gone, so that %s has to be mapped: else a row that comes back stays so",
			how.Field, how.Value, how.Field)
	}
	if scope, there := section["scope"]; there {
		p.Snapshot.Scope = p.parseScope(scope)
	} else {
		p.Snapshot.Scope = p.Mapping.Constants()
	}
}

func (p *Pipeline) parseScope(value any) map[string]string {
	const path, example = "snapshot.scope", "must be a mapping of columns to values, as in { list: dealer-eu }"
	m, ok := value.(map[string]any)
	if !ok {
		p.doc.fault(path, example)
		return nil
	}
	scope := map[string]string{}
	for _, name := range p.doc.order[path] {
		column, err := p.Entity.Column(name)
		text, ok := m[name].(string)
		switch {
		case err != nil:
			p.doc.fault(path+"."+name, "%s", err)
		case !ok:
			p.doc.fault(path+"."+name, "must be text: write it in quotes")
		case column.Field.Type == schemas.Enum && !slices.Contains(column.Field.Values, text):
			p.doc.fault(path+"."+name, "is %s, but must be %s%s", schemas.QuoteShort(text), oneOf(column.Field.Values),
				schemas.DidYouMean(text, column.Field.Values))
		default:
			scope[name] = text
		}
	}
	return scope
}
