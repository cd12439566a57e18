package pipelines

import (
	"fmt"
	"slices"

	"crossdock/connectors"
	"crossdock/pipelines/mapping"
	"crossdock/schemas"
)

// A Privacy says what the error queue may keep of a column of the source.
type Privacy uint8

// The privacies of columns.
const (
	FreeText  Privacy = iota // all but what looks like the number of a payment card
	Public                   // all: codes, numbers and dates, some of which look like one
	Sensitive                // nothing
)

func (p *Pipeline) parseSensitive() {
	value, there := p.doc.root["sensitive"]
	if !there {
		return
	}
	names, ok := texts(value)
	if !ok || len(names) == 0 {
		p.doc.fault("sensitive", "must list the columns of the source whose cells are not kept, as in [IBAN, Birthday]")
	}
	p.Sensitive = names
}

// privacies returns what may be kept of each column of a source. Its error is
// of a setting: a column that is not there, or one that is part of the key.
func (p *Pipeline) privacies(columns []string, program *mapping.Program) ([]Privacy, error) {
	list := make([]Privacy, len(columns))
	for i, c := range p.Mapping.Columns() {
		for _, at := range program.Reads(i) {
			switch {
			case c.Field.Sensitive:
				list[at] = Sensitive
			case list[at] == FreeText && !isText(c.Field.Type):
				list[at] = Public
			}
		}
	}
	for i, name := range p.Sensitive {
		at := slices.Index(columns, name)
		if at < 0 {
			return nil, &connectors.SettingError{
				Path:    p.sensitivePath(i),
				Message: fmt.Sprintf("the source has no column %s%s", schemas.QuoteShort(name), schemas.DidYouMean(name, columns)),
			}
		}
		list[at] = Sensitive
	}
	for i, c := range p.Mapping.Columns() {
		for _, at := range program.Reads(i) {
			if c.Field.Key && list[at] == Sensitive {
				return nil, &connectors.SettingError{
					Path:    p.sensitivePath(slices.Index(p.Sensitive, columns[at])),
					Message: fmt.Sprintf("%s makes up the key %s, by which errors are found again: it has to be kept", columns[at], c.Name),
				}
			}
		}
	}
	return list, nil
}

func (p *Pipeline) sensitivePath(i int) string {
	if _, list := p.doc.root["sensitive"].([]any); !list || i < 0 {
		return "sensitive"
	}
	return fmt.Sprintf("sensitive[%d]", i)
}

// Privacy returns what may be kept of a column of the source.
func (x *Processor) Privacy(column int) Privacy { return x.privacy[column] }

// IsSensitive tells whether what is found of a field must not be kept.
func (x *Processor) IsSensitive(field string) bool {
	for i, c := range x.mapped {
		if c.Name != field && c.Field.Name != field {
			continue
		}
		if c.Field.Sensitive || slices.ContainsFunc(x.program.Reads(i), func(at int) bool { return x.privacy[at] == Sensitive }) {
			return true
		}
	}
	return false
}

// discreet takes out of a profile what the error queue would not keep either:
// the values of sensitive columns, and numbers of payment cards in free text.
// How many values there are, and how many are missing, may be told.
func (x *Processor) discreet(p *Profile) *Profile {
	hide := func(c *ProfiledColumn, sensitive, text bool) {
		switch {
		case sensitive:
			c.Top, c.Shapes, c.Min, c.Max, c.Sum = nil, nil, "", "", ""
		case text:
			c.Min, c.Max = MaskCards(c.Min), MaskCards(c.Max)
			for i := range c.Top {
				c.Top[i].Text = MaskCards(c.Top[i].Text)
			}
		}
	}
	for i := range p.Columns {
		if at := slices.Index(x.columns, p.Columns[i].Name); at >= 0 {
			hide(&p.Columns[i], x.privacy[at] == Sensitive, x.privacy[at] == FreeText)
		}
	}
	for i, c := range x.mapped {
		if i < len(p.Fields) && p.Fields[i].Name == c.Name {
			hide(&p.Fields[i], x.IsSensitive(c.Name), isText(c.Field.Type))
		}
	}
	return p
}

func isText(t schemas.Type) bool {
	return t == schemas.Text || t == schemas.LocalisedText || t == schemas.List || t == schemas.JSON
}
