package all

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheManualNamesEverySetting holds docs/connectors.md and the settings of
// the connectors together.
func TestTheManualNamesEverySetting(t *testing.T) {
	manual, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for section := range strings.SplitSeq(string(manual), "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = text
	}
	named := regexp.MustCompile("`([a-z_]+)`")
	for _, connector := range Types() {
		section, ok := sections[connector.Name]
		if !ok {
			t.Errorf("docs/connectors.md has no section %s", connector.Name)
			continue
		}
		documented := map[string]bool{}
		for line := range strings.Lines(section) {
			if cells := strings.Split(line, "|"); len(cells) > 2 {
				for _, name := range named.FindAllStringSubmatch(cells[1], -1) {
					documented[name[1]] = true
				}
			}
		}
		for _, setting := range connector.Settings {
			if !documented[setting.Name] {
				t.Errorf("docs/connectors.md does not name the setting %s of connector %s", setting.Name, connector.Name)
			}
			delete(documented, setting.Name)
		}
		for name := range documented {
			t.Errorf("docs/connectors.md names the setting %s, which connector %s does not have", name, connector.Name)
		}
	}
}
