package schemas

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table in the manual and the codes are the same.
func TestManualListsEveryCodeAlias(t *testing.T) {
	text, err := os.ReadFile("../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### Codes of DJUST")
	if !found {
		t.Fatal("the manual lacks the codes of DJUST")
	}
	rows := regexp.MustCompile(`(?m)^\| (F-E-\d{3}) \| (.*?) \|`).FindAllStringSubmatch(section, -1)
	if len(rows) != 8 {
		t.Errorf("the manual lists %d codes, want 8", len(rows))
	}
	listed := 0
	for _, row := range rows {
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[2], -1) {
			listed++
			if got := CodeAlias(name[1]); got != row[1] {
				t.Errorf("%s has the code %q, the manual says %s", name[1], got, row[1])
			}
		}
	}
	if listed != 19 {
		t.Errorf("the manual lists %d rules, want 19", listed)
	}
	if got := CodeAlias("expression"); got != "" {
		t.Errorf("expression has the code %s, which DJUST has nothing for", got)
	}
}
