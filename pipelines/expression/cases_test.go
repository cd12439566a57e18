package expression

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"crossdock/schemas"
)

// An expressionCase is one case of testdata, whose README says how to write one.
type expressionCase struct {
	Case       string                  `yaml:"case"`
	Types      map[string]schemas.Type `yaml:"types"` // of names; without any, all are columns
	Wants      schemas.Type            `yaml:"wants"`
	Expression string                  `yaml:"expression"`
	Over       []map[string]*string    `yaml:"over"`
	Gives      []string                `yaml:"gives"`
	Error      string                  `yaml:"error"`
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []expressionCase
		if err := yaml.UnmarshalWithOptions(text, &cases, yaml.Strict()); err != nil {
			t.Fatalf("%s: %s", file, yaml.FormatError(err, false, true))
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Case, c.run)
		}
	}
}

func (c expressionCase) run(t *testing.T) {
	var variables []Variable
	for name := range c.Over[0] {
		typ := schemas.Text
		if c.Types != nil {
			typ = c.Types[name]
		}
		variables = append(variables, Variable{name, typ})
	}
	slices.SortFunc(variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	p, err := Compile(c.Expression, variables, c.Wants, testLookup)
	if err != nil {
		if err.Error() != c.Error {
			t.Errorf("error %s, want %s", err, c.Error)
		}
		return
	}
	if c.Error != "" || len(c.Gives) != len(c.Over) {
		t.Fatalf("compiles, and has %d results for %d rows; want error %s", len(c.Gives), len(c.Over), c.Error)
	}
	for i, row := range c.Over {
		got, err := p.Eval(func(variable int) any { return valueOf(t, variables[variable].Type, row[variables[variable].Name]) })
		result := "nil"
		switch {
		case err != nil:
			result = "!" + err.Error()
		case got != nil:
			result = render(got)
		}
		if result != c.Gives[i] {
			t.Errorf("row %d gives %s, want %s", i+1, result, c.Gives[i])
		}
	}
}

// valueOf returns a text of a case as a value of the type.
func valueOf(t *testing.T, typ schemas.Type, cell *string) any {
	t.Helper()
	if cell == nil {
		return nil
	}
	switch kindOf(typ) {
	case integer:
		n, err := strconv.ParseInt(*cell, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case decimal:
		return dec(*cell)
	case boolean:
		return *cell == "true"
	case moment:
		at, err := DateFormat{}.Time(*cell, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return at
	case nothing, list, text:
	}
	return *cell
}

// render writes what Eval returned as the function text does.
func render(got any) string {
	switch got := got.(type) {
	case string:
		return got
	case time.Time:
		return textOf(value{n: got.UnixMicro()}, moment)
	case []string:
		return textOf(value{list: got}, list)
	}
	return fmt.Sprint(got)
}
