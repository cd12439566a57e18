package connectors

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"crossdock/schemas"
)

// A File is one file of a source that reads files, or one member of an archive.
type File struct {
	Path    string // to open it, or the archive that it is in
	Name    string // as the user wrote it, relative to the pipeline where possible; acme.zip:prices.csv for a member
	Size    int64  // bytes on disk
	Version string // changes when the file does

	member member
}

// FindFiles returns the files that a path or glob names, in the order of
// their names. That there are none is an *Error.
func FindFiles(env Env, pattern string) ([]File, error) {
	paths, err := match(env, pattern)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		dir := filepath.Dir(pattern)
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(env.Dir, dir)
		}
		return nil, &Error{Place: Place{Resource: pattern}, Message: "no file matches", Hint: "looked in " + dir}
	}
	return statAll(env, pattern, paths)
}

// match returns the paths that a path or glob names: the path itself, be there
// a file or not, or what matches the glob.
func match(env Env, pattern string) ([]string, error) {
	full := pattern
	if !filepath.IsAbs(full) {
		full = filepath.Join(env.Dir, pattern)
	}
	// A browser that downloads a file twice names it "prices[1].csv": what is
	// there under that very name is no pattern.
	if _, err := os.Lstat(full); err == nil || !strings.ContainsAny(pattern, "*?[") {
		return []string{full}, nil
	}
	if !filepath.IsAbs(pattern) { // the folder of a pipeline is a name and not a pattern
		full = filepath.Join(globEscape(env.Dir), pattern)
	}
	paths, err := filepath.Glob(full)
	if err != nil {
		return nil, &Error{Place: Place{Resource: pattern}, Message: "is not a pattern of file names", Err: err}
	}
	return paths, nil
}

func statAll(env Env, pattern string, paths []string) ([]File, error) {
	files := make([]File, 0, len(paths))
	for _, path := range paths {
		file, err := stat(path, nameOf(env, pattern, path))
		if file.Path != "" {
			files = append(files, file)
		}
		if err != nil {
			return env.only(files), err
		}
	}
	return env.only(files), nil
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

// stat returns the file, which an empty one is too, though an error comes with it.
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
	}
	version := strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
	file := File{Path: path, Name: name, Size: info.Size(), Version: version}
	if file.Size == 0 {
		return file, &Error{Place: place, Message: "the file is empty", Hint: "was it fully written?"}
	}
	return file, nil
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

// CheckUnchanged returns an *Error when the file is no longer what it was when
// it was found. Readers ask before the first byte and after the last one, so
// that a file that is still being written is not taken for a whole one.
func (f File) CheckUnchanged() error {
	now, err := stat(f.Path, f.Name)
	if now.Path != "" && now.Version == f.Version { // be it empty
		return nil
	}
	if err != nil {
		return err
	}
	return &Error{
		Place: Place{Resource: f.Name}, Message: "changed while it was read",
		Hint: "let the program that writes it write to another name and rename it when it is whole",
	}
}
