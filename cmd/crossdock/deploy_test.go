package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// deployed returns the text of every file under deploy whose name ends so.
func deployed(t *testing.T, suffixes ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("../../deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

// TestAlertsAndDashboardsAskForWhatIsServed holds the names in rules and
// dashboards to a scrape of a server.
func TestAlertsAndDashboardsAskForWhatIsServed(t *testing.T) {
	s := serveForTest(t, carried(t))
	s.upload(t, uploaded)
	served := s.scrape(t)
	named := regexp.MustCompile(`\bcrossdock_[a-z_]+`)
	asked := 0
	for path, text := range deployed(t, "rules.yml", "rules_test.yml", ".json") {
		for _, name := range named.FindAllString(text, -1) {
			asked++
			is := served[name]
			for _, part := range []string{"_bucket", "_count", "_sum"} {
				if whole, ok := strings.CutSuffix(name, part); ok && strings.HasPrefix(served[whole], "histogram") {
					is = served[whole]
				}
			}
			if is == "" {
				t.Errorf("%s asks for %s, which is not served", path, name)
			}
		}
	}
	if asked < 50 {
		t.Errorf("only %d names were found", asked)
	}
}

// TestEveryAlertHasItsParagraph follows the links of alerts into the manual.
func TestEveryAlertHasItsParagraph(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := deployed(t, "prometheus/rules.yml")["../../deploy/prometheus/rules.yml"]
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, alert := range alerts {
		anchor := strings.ToLower(alert[1])
		if !strings.Contains(rules, "runbook_url: docs/operations.md#"+anchor+"\n") || !bytes.Contains(manual, []byte(`<a id="`+anchor+`"></a>`)) {
			t.Errorf("%s has no paragraph in docs/operations.md", alert[1])
		}
	}
	if n := strings.Count(string(manual), "<a id="); n != len(alerts) {
		t.Errorf("docs/operations.md has %d paragraphs, and there are %d alerts", n, len(alerts))
	}
}

// TestWhatIsDeployedIsThere holds commands and settings in the files to the program.
func TestWhatIsDeployedIsThere(t *testing.T) {
	var help bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--help"}, &help, &help); code != exitDone {
		t.Fatal(help.String())
	}
	source := map[string]bool{}
	code, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range code {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`CROSSDOCK_[A-Z_]*[A-Z]`).FindAllString(string(text), -1) {
			source[name] = true
		}
	}
	for path, text := range deployed(t, ".yaml", ".service", "Dockerfile") {
		for _, args := range regexp.MustCompile(`(?m)^ +(?:args|command): \[([^-\]]*)`).FindAllStringSubmatch(text, -1) {
			words := strings.FieldsFunc(args[1], func(r rune) bool { return r == ',' || r == ' ' })
			if len(words) == 0 {
				continue // that of another program
			}
			var out bytes.Buffer
			if code := run(t.Context(), []string{words[0], "--help"}, &out, &out); code != exitDone {
				t.Errorf("%s: %v is no command: %s", path, words, out.String())
			}
			for _, part := range words[1:] {
				if !regexp.MustCompile(`\b` + part + `\b`).MatchString(help.String()) {
					t.Errorf("%s: %v: there is no part %s", path, words, part)
				}
			}
		}
		for _, name := range regexp.MustCompile(`CROSSDOCK_[A-Z_]*[A-Z]`).FindAllString(text, -1) {
			if composes := strings.HasSuffix(path, "compose.yaml") && name == "CROSSDOCK_VERSION"; !source[name] && !composes && !partAddress(name) {
				t.Errorf("%s: there is no setting %s", path, name)
			}
		}
	}
}

// partAddress reports whether the variable is the address of a part.
func partAddress(name string) bool {
	name, ok := strings.CutSuffix(strings.TrimPrefix(name, "CROSSDOCK_"), "_URL")
	return ok && (name == "HUB" || name == "GATEWAY") || ok && slices.ContainsFunc(parts(), func(p part) bool { return strings.EqualFold(p.name, name) })
}

// TestTheStaticBinaryNeedsNothing runs what make static has made, where it has,
// in an empty root.
func TestTheStaticBinaryNeedsNothing(t *testing.T) {
	const binary = "../../bin/crossdock-static"
	if _, err := os.Stat(binary); err != nil || os.Getuid() != 0 {
		t.Skip("make static has made none, or nobody is root")
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "crossdock"), text, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/crossdock", "run", "/first-light", "--data", "/data")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	out, _ := cmd.CombinedOutput() // the code says what has failed
	if code := cmd.ProcessState.ExitCode(); code != exitRejected || !bytes.Contains(out, []byte("first-light-catalog")) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestTheManualOfOperationsNamesCommands asks for help on every command and
// flag that docs/operations.md tells an operator to type.
func TestTheManualOfOperationsNamesCommands(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	typed := regexp.MustCompile("[`\n]crossdock ([a-z][^`\n#]*)").FindAllSubmatch(manual, -1)
	if len(typed) < 8 {
		t.Fatalf("%d commands", len(typed))
	}
	for _, line := range typed {
		var command, flags []string
		for word := range strings.FieldsSeq(string(line[1])) {
			switch {
			case strings.HasPrefix(word, "--"):
				flags = append(flags, word)
			case len(flags) == 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(word):
				command = append(command, word)
			}
		}
		var help bytes.Buffer
		if code := run(t.Context(), append(slices.Clone(command), "--help"), &help, &help); code != exitDone {
			t.Errorf("crossdock %s: %s", line[1], help.String())
		}
		if !strings.Contains(help.String(), "crossdock "+strings.Join(command, " ")) {
			t.Errorf("crossdock %s: there is no such command: %s", line[1], help.String())
		}
		for _, flag := range flags {
			if !strings.Contains(help.String(), flag+" ") {
				t.Errorf("crossdock %s: it has no %s", line[1], flag)
			}
		}
	}
}
