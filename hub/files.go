package hub

import (
	"context"
	"fmt"
	"slices"

	"crossdock/connectors"
	"crossdock/hub/journal"
)

// findFiles lists the files that the source reads, where it reads files.
func (x *execution) findFiles() error {
	source, ok := x.source.(connectors.FileSource)
	if !ok {
		return nil
	}
	found, err := source.Files()
	if err != nil {
		return err
	}
	for _, f := range found {
		if !slices.ContainsFunc(x.inputs, func(have journal.File) bool { return have.Path == f.Path }) { // members of an archive share it
			x.inputs = append(x.inputs, journal.File{Path: f.Path, Name: f.Name, Version: f.Version, Size: f.Size, State: journal.ReadingFile})
		}
	}
	return nil
}

// only restricts the source to the files that the run is to read.
func (x *execution) only() error {
	paths := []string{}
	for _, f := range x.inputs {
		if f.State == journal.ReadingFile {
			paths = append(paths, f.Path)
		}
	}
	var err error
	x.source, err = x.hub.sourceOf(x.pipeline, x.options.Input, paths)
	return err
}

// continues reports whether a file is read on from where it ended before.
func (x *execution) continues() bool {
	return slices.ContainsFunc(x.inputs, func(f journal.File) bool { return f.Begun != "" })
}

// sameFiles restricts a run that was held to the files that it had then, and
// refuses it where one of them is no longer the same.
func (x *execution) sameFiles(ctx context.Context) error {
	held, err := x.hub.journal.Files(ctx, x.id)
	if err != nil || len(held) == 0 {
		return err
	}
	for i, before := range held {
		at := slices.IndexFunc(x.inputs, func(f journal.File) bool { return f.Path == before.Path })
		if at < 0 {
			return fmt.Errorf("%s: the file that run %s was held with is no longer there: run the pipeline again", before.Name, x.id)
		}
		if x.inputs[at].Version != before.Version {
			return fmt.Errorf("%s: the file has changed since run %s was held: run the pipeline again", before.Name, x.id)
		}
		held[i] = x.inputs[at]
	}
	x.inputs = held
	return x.only()
}
