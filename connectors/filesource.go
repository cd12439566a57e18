package connectors

import "slices"

// A FileSource is a source that reads files, and can say which. Whoever opens
// it may then tell by their contents which of them it has read before.
type FileSource interface {
	Source
	// Files lists the files that the source would read, in that order: none
	// where its settings name a pattern that nothing matches.
	Files() ([]File, error)
}

// A GrowingSource can read on in a file to which rows have been added.
type GrowingSource interface {
	FileSource
	// ReadOn returns the cursor behind which to read what was added to a file,
	// of which end was the last cursor before, and "" where it has to be read
	// from its beginning. The caller has seen that what was there before still
	// is, and that it ended with a line.
	ReadOn(end Cursor, f File) Cursor
}

// ListFiles returns what FindFiles does, but none where nothing matches a pattern.
func ListFiles(env Env, pattern string) ([]File, error) {
	paths, err := match(env, pattern)
	if len(paths) == 0 || err != nil {
		return nil, err
	}
	return statAll(env, pattern, paths)
}

// only returns the files that the environment restricts a source to.
func (e Env) only(files []File) []File {
	if e.Only == nil {
		return files
	}
	return slices.DeleteFunc(files, func(f File) bool { return !slices.Contains(e.Only, f.Path) })
}
