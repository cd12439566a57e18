package pipelines

import (
	"crossdock/pipelines/quality"
)

// parseEmpty reads what empty cells do where a form does not say it.
func (p *Pipeline) parseEmpty() {
	if value, there := p.doc.root["empty"]; there && p.doc.choice("empty", value, "clear", "keep") == "keep" {
		p.Mapping.KeepEmpty()
	}
}

// compileRules reads the rules. Those of a mapping that the source completes
// can be read only then; the rules of the entity hold at once.
func (p *Pipeline) compileRules() {
	d := p.doc
	merge := false
	if value, there := d.root["duplicates"]; there {
		merge = d.choice("duplicates", value, "reject", "merge") == "merge"
	}
	specs := p.rules
	if p.Mapping.NeedsSource() {
		specs = nil
	}
	rules, errs := quality.Compile(p.Entity, p.Mapping.Columns(), specs)
	if len(errs) > 0 {
		d.settingFaults("", errs)
		return
	}
	if merge {
		rules.AllowRepeats()
	}
	p.Rules = rules
}

// Fit returns the pipeline for a source with the columns given, in which the
// patterns of its mapping are the columns that they stand for. Its error is
// Faults where the two do not fit.
func (p *Pipeline) Fit(columns []string) (*Pipeline, error) {
	if !p.Mapping.NeedsSource() {
		return p, nil
	}
	mapping, errs := p.Mapping.Fit(columns)
	if len(errs) > 0 {
		return nil, p.Fault("", errs)
	}
	fitted := *p
	fitted.doc = &document{file: p.File, places: p.doc.places, root: p.doc.root}
	fitted.Mapping = mapping
	fitted.compileRules()
	fitted.compileChecks()
	if err := fitted.doc.err(); err != nil {
		return nil, err
	}
	return &fitted, nil
}
