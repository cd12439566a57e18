package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
)

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// hashBlock is how much is hashed before ctx is asked and progress is told.
const hashBlock = 4 << 20

// hashFile returns the SHA-256, in hex, of the first bytes of a file. It fails
// where the file has not so many.
func hashFile(ctx context.Context, path string, bytes int64, progress func(done int64)) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	for done := int64(0); done < bytes; {
		if err := interrupted(ctx); err != nil {
			return "", err
		}
		n, err := io.CopyN(sum, file, min(hashBlock, bytes-done))
		if err != nil {
			return "", err
		}
		if done += n; progress != nil {
			progress(done)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// endsWithLine reports whether the first bytes of a file end with the end of a
// line, and are text and no archive.
func endsWithLine(path string, bytes int64) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	var head [4]byte
	var last [1]byte
	if _, err := file.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if _, err := file.ReadAt(last[:], bytes-1); err != nil {
		return false, err
	}
	switch string(head[:2]) {
	case "\x1f\x8b", "\x28\xb5", "PK": // gzip, zstd, ZIP
		return false, nil
	}
	return last[0] == '\n', nil
}

// hashes are those of the files of a run, computed beside it.
type hashes struct {
	stop context.CancelFunc
	done chan struct{}
	of   map[int64]string // by the number of the file, once done
}

// hashBeside hashes the files that are read and whose hash is not known. It
// ends with them, or when it is stopped.
func (x *execution) hashBeside(ctx context.Context) *hashes {
	ctx, stop := context.WithCancel(ctx)
	h := &hashes{stop: stop, done: make(chan struct{}), of: map[int64]string{}}
	wanted := []journal.File{}
	for _, f := range x.inputs {
		if f.State == journal.ReadingFile && f.Hash == "" && !x.options.DryRun {
			wanted = append(wanted, f)
		}
	}
	go func() {
		defer close(h.done)
		for _, f := range wanted {
			hash, err := hashFile(ctx, f.Path, f.Size, nil)
			now := connectors.File{Path: f.Path, Name: f.Name, Size: f.Size, Version: f.Version}
			if err != nil || now.CheckUnchanged() != nil {
				continue // it cannot be told from another, and will be read again
			}
			h.of[f.Number] = hash
		}
	}()
	return h
}

// wait gives the files their hashes.
func (h *hashes) wait(files []journal.File) {
	<-h.done
	for i := range files {
		if files[i].Hash == "" {
			files[i].Hash = h.of[files[i].Number]
		}
	}
}

func (h *hashes) close() {
	h.stop()
	<-h.done
}

// faultyResource returns what a failure of a source says to be at fault.
func faultyResource(err error) (string, bool) {
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok || e.Class == connectors.Transient || e.Place.Resource == "" {
		return "", false
	}
	return e.Place.Resource, true
}

func isFaults(err error) bool {
	var faults pipelines.Faults
	return errors.As(err, &faults)
}
