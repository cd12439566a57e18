package hub

import (
	"regexp"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// mask takes out of a row, and out of what is said of it, what must not be
// kept: the cells of sensitive columns, and numbers of payment cards in free
// text. A row that could not be cut has no columns that are sure: of it no cell
// is kept where one could be sensitive.
func mask(row *journal.Row, processor *pipelines.Processor, columns int) {
	secrets := map[string]string{} // what was there, and what stands for it
	whole := false
	for at := range columns {
		whole = whole || !row.Cells.Whole && processor.Privacy(at) == pipelines.Sensitive
	}
	for at, value := range row.Cells.Values {
		if value == nil {
			continue
		}
		masked := *value
		switch {
		case whole || at < columns && processor.Privacy(at) == pipelines.Sensitive:
			masked = journal.MaskedText
		case at >= columns || processor.Privacy(at) == pipelines.FreeText:
			masked = pipelines.MaskCards(*value)
		}
		if masked == *value {
			continue
		}
		secrets[*value] = masked
		row.Cells.Values[at] = &masked
		row.Cells.Masked = append(row.Cells.Masked, at)
	}
	for i := range row.Findings {
		f := &row.Findings[i]
		if whole || row.Cells.IsMasked(f.Position) || processor.IsSensitive(f.Field) {
			f.Value, f.Message = maskAll(f.Value), unquoted(f.Message)
		}
		f.Value, f.Message = replaceSecrets(f.Value, secrets), replaceSecrets(f.Message, secrets)
		if f.Position < 0 || f.Position >= columns || processor.Privacy(f.Position) != pipelines.Public {
			f.Value, f.Message = pipelines.MaskCards(f.Value), pipelines.MaskCards(f.Message)
		}
	}
}

// maskedAs returns a value as people who may not know all of it may see it.
func maskedAs(privacy pipelines.Privacy, value string) string {
	switch privacy {
	case pipelines.Sensitive:
		return maskAll(value)
	case pipelines.FreeText:
		return pipelines.MaskCards(value)
	case pipelines.Public:
	}
	return value
}

// maskFinding takes out of what is said of a row what must not be shown.
func maskFinding(f *journal.Finding, processor *pipelines.Processor) {
	privacy := pipelines.FreeText
	if f.Position >= 0 {
		privacy = processor.Privacy(f.Position)
	}
	if privacy == pipelines.Sensitive || processor.IsSensitive(f.Field) {
		f.Value, f.Message = maskAll(f.Value), unquoted(f.Message)
		return
	}
	f.Value, f.Message = maskedAs(privacy, f.Value), maskedAs(privacy, f.Message)
}

func maskAll(value string) string {
	if value == "" {
		return ""
	}
	return journal.MaskedText
}

// minSecret is the length from which on a secret is looked for within other
// texts: a shorter one would be found everywhere.
const minSecret = 4

func replaceSecrets(text string, secrets map[string]string) string {
	for secret, with := range secrets {
		if text == secret || len(secret) >= minSecret {
			text = strings.ReplaceAll(text, secret, with)
		}
	}
	return text
}

var quotedOrNumber = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\pN+`)

// unquoted takes out of a message what it may tell of a value.
func unquoted(message string) string {
	return quotedOrNumber.ReplaceAllLiteralString(message, journal.MaskedText)
}

// ruleMasked is the rule by which a row is kept back whose masked cells nobody
// has entered anew.
const ruleMasked = "masked"

// missing returns a finding for each masked cell of a row that was not entered
// anew: what stands for it is no value to send.
func missing(row *journal.Row, processor *pipelines.Processor) []journal.Finding {
	var list []journal.Finding
	for _, at := range row.Cells.Masked {
		if row.IsEdited(at) {
			continue
		}
		f := journal.Finding{
			Rule: ruleMasked, Severity: schemas.Reject, Field: processor.FieldOf(at), Value: journal.MaskedText, Position: at, Header: row.Cells.Names[at],
			Message: "was not kept, as it is sensitive: enter it anew (crossdock errors edit), or read the source again",
		}
		if row.Cells.Sheet {
			f.Cell = connectors.CellAddress(at, row.Place.Row)
		}
		list = append(list, f)
	}
	return list
}

// withheld takes out of rows of one shape those that lack a masked cell, and
// says so of each.
func withheld(rows []*journal.Row, processor *pipelines.Processor) (whole, lacking []*journal.Row) {
	for _, row := range rows {
		found := missing(row, processor)
		if len(found) == 0 {
			whole = append(whole, row)
			continue
		}
		known := slices.DeleteFunc(slices.Clone(row.Findings), func(f journal.Finding) bool { return f.Rule == ruleMasked })
		row.Findings = append(known, found...)
		lacking = append(lacking, row)
	}
	return whole, lacking
}
