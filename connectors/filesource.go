package connectors

import "slices"

// A FileSource is a source that reads files, and can say which. Whoever opens
// it may then tell by their contents which of them it has read before.
type FileSource interface {
	Source
	// Files lists the files that the source would read, in that order.
	Files() ([]File, error)
}

// only returns the files that the environment restricts a source to.
func (e Env) only(files []File) []File {
	if e.Only == nil {
		return files
	}
	return slices.DeleteFunc(files, func(f File) bool { return !slices.Contains(e.Only, f.Path) })
}
