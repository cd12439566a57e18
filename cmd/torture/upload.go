package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// patience bounds every wait for a server.
const patience = time.Minute

// killServers kills `crossdock serve` at random moments from the first byte of
// an upload on, and lets a last one end the work. A client that has no answer
// sends its file again, as clients do.
func (t *torture) killServers(ctx context.Context) (string, error) {
	hit, resent := 0, 0
	for folder := 0; hit < t.kills; folder++ {
		data := filepath.Join(t.dir, fmt.Sprintf("serve-%d", folder))
		for _, name := range []string{"10-categories.yaml", "30-lists.yaml"} {
			if out, err := exec.CommandContext(ctx, t.binary, "--data", data, "run", filepath.Join(t.pipes, name)).CombinedOutput(); err != nil {
				return "", fmt.Errorf("%w: %s", err, out)
			}
		}
		for _, upload := range []string{"products", "prices"} {
			kills := min(killsPerFolder/2, t.kills-hit)
			sent, err := t.killUpload(ctx, data, upload, kills)
			if err != nil {
				return "", fmt.Errorf("%s, after kill %d: %w", upload, hit, err)
			}
			hit += kills
			resent += sent - 1
		}
		if err := t.verify(ctx, data); err != nil {
			return "", fmt.Errorf("after kill %d: %w", hit, err)
		}
		if err := t.countsOnce(ctx, data); err != nil {
			return "", fmt.Errorf("after kill %d: %w", hit, err)
		}
	}
	return fmt.Sprintf("%d kills at random moments, %d of which left the client without an answer", hit, resent), nil
}

// countsOnce holds all runs together to having applied each row once: a run
// that begins anew counts as it would have without the kill.
func (t *torture) countsOnce(ctx context.Context, data string) error {
	list, err := t.runs(ctx, data)
	if err != nil {
		return err
	}
	applied := int64(0)
	for _, r := range list {
		applied += r.Applied
	}
	if applied != int64(t.want.size()) {
		return fmt.Errorf("the runs say that they have applied %d rows, want %d", applied, t.want.size())
	}
	return nil
}

// killUpload uploads a file over so many kills, and returns how often it was
// sent until it was accepted.
func (t *torture) killUpload(ctx context.Context, data, pipeline string, kills int) (sent int, err error) {
	accepted := ""
	for attempt := 0; ; attempt++ {
		s, err := t.serve(ctx, data)
		if err != nil {
			return sent, err
		}
		last := attempt >= kills
		if !last {
			time.AfterFunc(t.moment(), s.kill)
		}
		if accepted == "" {
			sent++
			accepted, err = s.upload(ctx, pipeline, filepath.Join(t.pipes, pipeline+".csv"))
		}
		if last {
			if err == nil {
				err = s.finished(ctx, accepted)
			}
			return sent, errors.Join(err, s.stop())
		}
		s.wait()
	}
}

// A server is a running `crossdock serve`.
type server struct {
	cmd     *exec.Cmd
	address string
	output  bytes.Buffer
	ended   chan struct{}
}

// serve starts a server and waits until it answers.
func (t *torture) serve(ctx context.Context, data string) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{address: address, ended: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, t.binary, "--data", data, "serve", "--listen", address, "--pipelines", t.pipes)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.ended:
			return nil, fmt.Errorf("serve ended: %s", s.output.String())
		default:
		}
		if status, err := s.get(ctx, "/readyz", nil); err == nil && status == http.StatusOK {
			return s, nil
		}
	}
	s.kill()
	return nil, fmt.Errorf("serve is not ready within %s: %s", patience, s.output.String())
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *server) kill() { _ = s.cmd.Process.Kill() } // fails where it has ended

func (s *server) wait() { <-s.ended }

// stop ends the server as a person would.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	s.wait()
	return nil
}

func (s *server) get(ctx context.Context, path string, answer any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if answer == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(answer)
}

// upload sends a file, and returns the run that the server has promised for
// it, or "" and the reason where it has promised none.
func (s *server) upload(ctx context.Context, pipeline, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() { // ends with the file, or when the request does
		err := form.WriteField("pipeline", pipeline)
		if err == nil {
			var part io.Writer
			if part, err = form.CreateFormFile("file", filepath.Base(path)); err == nil {
				_, err = io.Copy(part, file)
			}
		}
		_ = w.CloseWithError(errors.Join(err, form.Close()))
	}()
	defer body.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/v1/imports", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("upload answers %s: %s", resp.Status, text)
	}
	var accepted run
	return accepted.Run, errors.Join(json.Unmarshal(text, &accepted), wanted(accepted.Run))
}

func wanted(id string) error {
	if id == "" {
		return errors.New("the answer names no run")
	}
	return nil
}

// finished waits until no run waits or works, that of the upload last.
func (s *server) finished(ctx context.Context, id string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var list struct{ Items []run }
		if _, err := s.get(ctx, "/v1/runs?limit=500", &list); err != nil {
			return err
		}
		busy := false
		for _, r := range list.Items {
			busy = busy || r.Status == "queued" || r.Status == "running"
		}
		if busy {
			continue
		}
		var promised run
		status, err := s.get(ctx, "/v1/runs/"+id, &promised)
		switch {
		case err != nil:
			return err
		case status != http.StatusOK:
			return fmt.Errorf("the run %s that was promised is gone: status %d", id, status)
		case promised.Status != "succeeded" && promised.Status != "partial":
			return fmt.Errorf("run %s is %s", id, promised.Status)
		}
		return nil
	}
	return fmt.Errorf("run %s has not ended within %s: %s", id, patience, s.output.String())
}
