package connectors

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"

	"crossdock/schemas"
)

// MaxUnpackedBytes bounds what one compressed file may unpack to, and
// maxRatio how much it may grow past the first MiB, so that a small file
// cannot keep a machine busy for ever.
const (
	MaxUnpackedBytes = 64 << 30
	maxRatio         = 1000
)

// A File is one file of a source that reads files.
type File struct {
	Path    string // to open it
	Name    string // as the user wrote it, relative to the pipeline where possible
	Size    int64  // bytes on disk
	Version string // changes when the file does
}

// FindFiles returns the files that a path or glob names, in the order of
// their names. That there are none is an *Error.
func FindFiles(env Env, pattern string) ([]File, error) {
	full := pattern
	if !filepath.IsAbs(full) {
		full = filepath.Join(env.Dir, pattern)
	}
	paths := []string{full}
	// A browser that downloads a file twice names it "prices[1].csv": what is
	// there under that very name is no pattern.
	if _, err := os.Lstat(full); err != nil && strings.ContainsAny(pattern, "*?[") {
		if !filepath.IsAbs(pattern) { // the folder of a pipeline is a name and not a pattern
			full = filepath.Join(globEscape(env.Dir), pattern)
		}
		if paths, err = filepath.Glob(full); err != nil {
			return nil, &Error{Place: Place{Resource: pattern}, Message: "is not a pattern of file names", Err: err}
		}
		if len(paths) == 0 {
			return nil, &Error{Place: Place{Resource: pattern}, Message: "no file matches", Hint: "looked in " + filepath.Dir(full)}
		}
	}
	files := make([]File, 0, len(paths))
	for _, path := range paths {
		file, err := stat(path, nameOf(env, pattern, path))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// globEscape returns a pattern that matches the path alone.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// nameOf returns what messages call a file. It does not depend on the folder
// that the process works in: the same file has the same name in every run.
func nameOf(env Env, pattern, path string) string {
	if name, ok := env.Names[path]; ok {
		return name
	}
	if rel, err := filepath.Rel(env.Dir, path); err == nil && (!filepath.IsAbs(pattern) || filepath.IsLocal(rel)) {
		return rel
	}
	return path
}

func stat(path, name string) (File, error) {
	info, err := os.Stat(path)
	place := Place{Resource: name}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return File{}, &Error{Place: place, Message: "there is no such file" + nearFile(path), Hint: "looked for " + path}
	case err != nil:
		return File{}, &Error{Place: place, Message: "cannot be read", Err: err}
	case info.IsDir():
		return File{}, &Error{Place: place, Message: "is a folder", Hint: "name a file in it, or all of them as " + filepath.Join(name, "*.csv")}
	case info.Size() == 0:
		return File{}, &Error{Place: place, Message: "the file is empty", Hint: "was it fully written?"}
	}
	version := strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
	return File{Path: path, Name: name, Size: info.Size(), Version: version}, nil
}

func nearFile(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return schemas.DidYouMean(filepath.Base(path), names)
}

// An OpenFile is a file being read, unpacked where its content is gzip.
type OpenFile struct {
	io.Reader
	Packed bool // it is unpacked on the way, so that it cannot be sought
	file   *os.File
	read   atomic.Int64
}

// CheckUnchanged returns an *Error when the file is no longer what it was when
// it was found. Readers ask before the first byte and after the last one, so
// that a file that is still being written is not taken for a whole one.
func (f File) CheckUnchanged() error {
	now, err := stat(f.Path, f.Name)
	if err != nil || now.Version == f.Version {
		return err
	}
	return &Error{
		Place: Place{Resource: f.Name}, Message: "changed while it was read",
		Hint: "let the program that writes it write to another name and rename it when it is whole",
	}
}

// Open opens the file for one reading from its beginning.
func (f File) Open() (*OpenFile, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, &Error{Place: Place{Resource: f.Name}, Message: "cannot be read", Err: err}
	}
	open := &OpenFile{file: file}
	buffered := bufio.NewReaderSize(&countingReader{file, &open.read}, 256<<10)
	open.Reader = buffered
	if magic, _ := buffered.Peek(2); string(magic) == "\x1f\x8b" {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			_ = file.Close()
			return nil, &Error{Place: Place{Resource: f.Name}, Message: "is not a whole gzip file", Err: err}
		}
		open.Packed = true
		open.Reader = &boundedReader{r: unpacked, packed: &open.read}
	}
	return open, nil
}

// SkipTo moves to a byte of a file that is not packed.
func (f *OpenFile) SkipTo(offset int64) error {
	if _, err := f.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	f.read.Store(offset)
	f.Reader = bufio.NewReaderSize(&countingReader{f.file, &f.read}, 256<<10)
	return nil
}

// Done returns how many bytes of the file on disk have been read.
func (f *OpenFile) Done() int64 { return f.read.Load() }

// Close closes the file.
func (f *OpenFile) Close() error { return f.file.Close() }

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// A boundedReader fails when what it unpacks outgrows its bounds.
type boundedReader struct {
	r        io.Reader
	packed   *atomic.Int64
	unpacked int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.unpacked += int64(n)
	if r.unpacked > MaxUnpackedBytes || r.unpacked > 1<<20 && r.unpacked/maxRatio > r.packed.Load() {
		return n, fmt.Errorf("unpacks to more than %d times its size: refused as a decompression bomb", maxRatio)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) {
		err = fmt.Errorf("the gzip file is cut off or damaged: %w", err)
	}
	return n, err
}
