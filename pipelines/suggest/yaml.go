package suggest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"crossdock/schemas"
)

// yaml writes the pipeline, with what is to be known of each line behind it.
func (p *Proposal) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Proposed from the columns of %s and its first %d rows. Behind each line stand the confidence in it and the\n"+
		"# reason; look at what is below %.2f, then at: crossdock preview\n", comment(p.table.Name), p.table.Rows, Sure)
	fmt.Fprintf(&b, "pipeline: %s\nsource:\n", text(p.Pipeline))
	for _, s := range p.table.Source {
		fmt.Fprintf(&b, "  %s: %s\n", s.Name, settingText(s.Value))
	}
	fmt.Fprintf(&b, "entity: %s%s\n", p.Entity, p.guesses())
	b.WriteString("map:\n")
	width := 0
	lines := make([]string, len(p.Matches))
	for i, m := range p.Matches {
		lines[i] = "  " + m.Target + ": " + m.Form
		const widest = 60
		if n := len([]rune(lines[i])); n <= widest {
			width = max(width, n)
		}
	}
	for i, m := range p.Matches {
		pad := strings.Repeat(" ", max(0, width-len([]rune(lines[i]))))
		fmt.Fprintf(&b, "%s%s  # %.2f %s\n", lines[i], pad, m.Confidence, comment(m.Reason))
		for _, note := range m.Notes {
			fmt.Fprintf(&b, "    # %s\n", comment(note))
		}
	}
	p.remarks(&b)
	return b.String()
}

func (p *Proposal) guesses() string {
	if p.Confidence == 1 && len(p.Others) == 0 {
		return ""
	}
	others := make([]string, len(p.Others))
	for i, g := range p.Others {
		others[i] = fmt.Sprintf("%s %.2f", g.Entity, g.Confidence)
	}
	s := fmt.Sprintf("  # %.2f", p.Confidence)
	if len(others) > 0 {
		s += "; then " + strings.Join(others, " ")
	}
	return s
}

// remarks writes what is not in the map.
func (p *Proposal) remarks(b *strings.Builder) {
	for _, field := range p.Missing {
		f := p.entity.Field(field)
		target := field
		if f.Type == schemas.LocalisedText {
			target += ".en"
		}
		fmt.Fprintf(b, "# No column gives %s, without which no %s can be created. Where it is the same in all rows, write\n#   %s: { constant: %s }\n",
			field, strings.ReplaceAll(p.Entity, "_", " "), target, text(f.Example))
	}
	if len(p.Unmatched) == 0 {
		return
	}
	b.WriteString("# Columns that fill no field:\n")
	for _, s := range p.Unmatched {
		line := "#   " + comment(text(s.Column))
		if len(s.Samples) > 0 {
			line += ": " + comment(strings.Join(s.Samples, " | "))
		}
		if s.Note != "" {
			line += "  (" + comment(s.Note) + ")"
		}
		b.WriteString(line + "\n")
	}
}

// comment makes one line of a text that may hold anything.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

var plainText = regexp.MustCompile(`^[\pL][\pL\pN_./()-]*( [\pL\pN_./()-]+)*$`)

// text writes a scalar as YAML: plain where it can be.
func text(s string) string {
	if plainText.MatchString(s) && !isWord(s) {
		return s
	}
	return quoted(s)
}

// isWord reports whether YAML takes a text for something else.
func isWord(s string) bool {
	return slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}, strings.ToLower(s))
}

func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' }) {
		return strconv.QuoteToASCII(s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func flowList(items []string) string {
	list := make([]string, len(items))
	for i, s := range items {
		list[i] = quoted(s)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func settingText(value any) string {
	switch v := value.(type) {
	case []any:
		list := make([]string, len(v))
		for i, item := range v {
			list[i] = text(fmt.Sprint(item))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case string:
		return text(v)
	}
	return fmt.Sprint(value)
}

var identifier = regexp.MustCompile(`^[A-Z][A-Za-z0-9_]*$`)

// variable writes a column as expressions name it. What begins with a small
// letter could be the name of a function.
func variable(header string) string {
	header = strings.TrimSpace(header)
	if identifier.MatchString(header) {
		return header
	}
	return "column(" + literal(header) + ")"
}

// literal writes a text as expressions do.
func literal(s string) string { return strconv.Quote(s) }
