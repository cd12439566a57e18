package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const testToken = "0123456789abcdef0123456789abcdef"

// An estate is parts in processes of their own, on loopback.
type estate struct {
	t         *testing.T // for as long as which it stands
	dir       string
	env       []string
	processes map[string]*process // by the name of the part
}

// A process is a part that is being served.
type process struct {
	part    string
	command *exec.Cmd
	url     string
	ended   chan struct{} // closed when it has
	err     error         // that it ended with

	mu  sync.Mutex
	log bytes.Buffer
}

func newEstate(t *testing.T, pipelines map[string]string) *estate {
	t.Helper()
	in := &estate{t: t, dir: t.TempDir(), processes: map[string]*process{}}
	folder := filepath.Join(in.dir, "pipelines")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range pipelines {
		if err := os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in.env = append(os.Environ(), "CROSSDOCK_PIPELINES="+folder, "CROSSDOCK_INTERNAL_TOKEN="+testToken, "CROSSDOCK_LOG_LEVEL=warn")
	return in
}

// start serves a part, at the address that it had before where it had one, and
// returns when it is ready. Parts that are started later find it there.
func (in *estate) start(t *testing.T, part string) {
	t.Helper()
	address := "127.0.0.1:0"
	if before := in.processes[part]; before != nil {
		address = strings.TrimPrefix(before.url, "http://")
	}
	p := &process{part: part, ended: make(chan struct{})}
	p.command = exec.Command("crossdock", "serve", part, "--listen", address, "--data", filepath.Join(in.dir, "data-"+part))
	p.command.Env = in.env
	p.command.Dir = in.dir
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	in.t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
		if in.t.Failed() {
			in.t.Logf("%s:\n%s", part, p.text())
		}
	})
	serving := make(chan string, 1)
	go p.follow(stderr, serving) // ends with the process
	select {
	case p.url = <-serving:
	case <-p.ended:
		t.Fatalf("%s has ended: %v\n%s", part, p.err, p.text())
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not serve\n%s", part, p.text())
	}
	if in.processes[part] == nil {
		in.env = append(in.env, addressOf(part)+"="+p.url)
	}
	in.processes[part] = p
	if status, body := ask(t, http.MethodGet, p.url+"/readyz"); status != http.StatusOK {
		t.Fatalf("%s is not ready: %s", part, body)
	}
}

// follow keeps what the process says, and reports where it serves.
func (p *process) follow(stderr io.Reader, serving chan<- string) {
	address := regexp.MustCompile(`serves \S+ on (http://\S+)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			serving <- found[1]
		}
	}
	p.err = p.command.Wait()
	close(p.ended)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// kill ends the process as a power cut would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

// stop asks the process to end, and waits until it has.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("%s ended with %v\n%s", p.part, p.err, p.text())
		}
	case <-time.After(stopLimit + 10*time.Second):
		t.Fatalf("%s does not stop\n%s", p.part, p.text())
	}
}

// ask sends a request without a body.
func ask(t *testing.T, method, url string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// upload sends a file to a pipeline by the API at a place, and returns its run.
func upload(t *testing.T, at, pipeline, content string) runView {
	t.Helper()
	contentType, body := form(t, [2]string{"pipeline", pipeline}, [2]string{"again", "true"}, [2]string{"@file", content})
	answer, err := http.Post(at+"/v1/imports", contentType, body)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var run runView
	if err := json.NewDecoder(answer.Body).Decode(&run); err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("POST /v1/imports = %d, %v", answer.StatusCode, err)
	}
	return run
}

// awaitRun asks for a run until it is as it should be.
func awaitRun(t *testing.T, at, id string, done func(runView) bool) runView {
	t.Helper()
	var run runView
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status, body := ask(t, http.MethodGet, at+"/v1/runs/"+id)
		run = runView{}
		if err := json.Unmarshal([]byte(body), &run); status != http.StatusOK || err != nil {
			t.Fatalf("run %s: %d %s", id, status, body)
		}
		if done(run) {
			return run
		}
	}
	t.Fatalf("run %+v is not as it should be", run)
	return run
}

func ended(run runView) bool { return run.Status != "queued" && run.Status != "running" }
