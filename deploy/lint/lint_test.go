// Package lint holds the files of the folder above to what those programs take
// that read them: Docker, Compose, Kubernetes, Prometheus and systemd. It is a
// module of its own, so that their packages are none of the product's.
package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// tool returns the path of a program, or skips the test where it is missing,
// which it may not be where the whole of the tests has to run.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := filepath.Abs("../../.tools/" + name); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not there, and could not be fetched (make lint)", name)
	}
	return path
}

func TestTheImageIsSmallAndNotRoot(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Warnings) > 0 {
		t.Errorf("warnings: %v", file.Warnings)
	}
	stages, _, err := instructions.Parse(file.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image is made from %s, not from scratch", last.BaseName)
	}
	if !strings.Contains(string(text), "COPY --from=build --chown=65532:65532 /empty/ /data/") {
		t.Error("the data folder of the image is not that of its user")
	}
	var found []string
	for _, command := range last.Commands {
		found = append(found, command.Name())
		switch c := command.(type) {
		case *instructions.UserCommand:
			if c.User != "65532:65532" {
				t.Errorf("USER %s", c.User)
			}
		case *instructions.HealthCheckCommand:
			if want := []string{"CMD", "/crossdock", "health"}; !slices.Equal(c.Health.Test, want) {
				t.Errorf("HEALTHCHECK %v, want %v", c.Health.Test, want)
			}
		case *instructions.RunCommand:
			t.Error("there is nothing in the image that could run")
		}
	}
	for _, name := range []string{"USER", "HEALTHCHECK", "VOLUME", "EXPOSE", "ENTRYPOINT"} {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.EqualFold(f, name) }) {
			t.Errorf("no %s", name)
		}
	}
}

func TestComposeLoads(t *testing.T) {
	example, err := os.ReadFile("../compose.env.example")
	if err != nil {
		t.Fatal(err)
	}
	// Every secret that is asked for is in the example.
	env := []string{}
	for _, name := range regexp.MustCompile(`(?m)^([A-Z_]+)=$`).FindAllSubmatch(example, -1) {
		env = append(env, string(name[1])+"=secret")
	}
	load := func(env []string) (*types.Project, error) {
		options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(env))
		if err != nil {
			t.Fatal(err)
		}
		return options.LoadProject(context.Background())
	}
	project, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	for i, variable := range env {
		if _, err := load(slices.Delete(slices.Clone(env), i, i+1)); err == nil {
			t.Errorf("it starts without %s", variable)
		}
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.HasPrefix(service.Image, "crossdock:") {
			continue
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || service.Build.Dockerfile != "deploy/Dockerfile" {
			t.Errorf("%s: it may do more than it has to", name)
		}
		for variable, address := range service.Environment {
			if part, ok := strings.CutSuffix(strings.TrimPrefix(variable, "CROSSDOCK_"), "_URL"); ok && address != nil && strings.HasPrefix(*address, "http") {
				if other := strings.ToLower(part); project.Services[other].Name == "" || *address != "http://"+other+":8080" {
					t.Errorf("%s: %s is %s, and there is no such service", name, variable, *address)
				}
			}
		}
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, "promtool"), args...)
	cmd.Dir = "../prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesDoWhatTheirTestsSay(t *testing.T) {
	promtool(t, "check", "rules", "rules.yml")
	promtool(t, "test", "rules", "rules_test.yml")
}

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	text, err := os.ReadFile("../prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	here, err := filepath.Abs("../prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("/etc/prometheus/rules.yml"), []byte(here)), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "config", path)
}

// A dashboard is what a test has to know of one.
type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// TestDashboardsAskInPromQL has Prometheus parse what the panels ask.
func TestDashboardsAskInPromQL(t *testing.T) {
	paths, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(paths) < 2 {
		t.Fatalf("dashboards %v, %v", paths, err)
	}
	uids := map[string]bool{}
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: panels\n    rules:\n")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if d.UID == "" || uids[d.UID] {
			t.Errorf("%s: uid %q is empty or taken", path, d.UID)
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %d %q has no id of its own, no title, nothing to ask, or no room", path, p.ID, p.Title)
			}
			ids[p.ID] = true
			for _, o := range d.Panels[:i] {
				a, b := p.GridPos, o.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: %q lies over %q", path, p.Title, o.Title)
				}
			}
			for j, target := range p.Targets {
				expression := strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$pipeline", ".*", "$instance", ".*").Replace(target.Expr)
				quoted, err := json.Marshal(expression)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&rules, "      - { record: \"panel:%d:%d\", expr: %s }\n", p.ID, j, quoted)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", path)
}

// TestTheUnitIsLockedIn has systemd judge its own unit.
func TestTheUnitIsLockedIn(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", "../systemd/crossdock.service").CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out[max(0, len(out)-300):])
	}
	out, err = exec.Command(analyze, "verify", "../systemd/crossdock.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "/usr/local/bin/crossdock is not executable") { // it is not installed here
			t.Errorf("systemd-analyze verify: %v: %s", err, line)
		}
	}
}
