package hub

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// findFiles lists the files that the source reads, where it reads files.
func (x *execution) findFiles() error {
	source, ok := x.source.(connectors.FileSource)
	if !ok {
		return nil
	}
	found, err := source.Files()
	for _, f := range found { // the one that is the matter among them
		x.inputs = append(x.inputs, journal.File{
			Number: int64(len(x.inputs) + 1), Path: f.Path, Name: f.Name, Version: f.Version, Size: f.Size, State: journal.ReadingFile,
		})
	}
	return err
}

// chooseFiles decides which files the run reads, and from where on. It leaves
// the source with these.
func (x *execution) chooseFiles(ctx context.Context) error {
	if _, ok := x.source.(connectors.FileSource); !ok {
		return nil
	}
	if x.options.Approved {
		return x.sameFiles(ctx)
	}
	if len(x.inputs) == 0 {
		if x.pipeline.Files.Done == "" {
			return nil // that there are none is said when they are opened
		}
		x.nothing = true
		x.notices = append(x.notices, fmt.Sprintf("no file matches %v: there is nothing to do", x.pipeline.Source.Settings["path"]))
		return nil
	}
	definition, err := x.definition(ctx)
	if err != nil {
		return err
	}
	said := len(x.notices)
	again := x.options.Again || x.pipeline.Files.Again
	for i := range x.inputs {
		x.inputs[i].Definition = definition
		if again {
			continue
		}
		if err := x.compareFile(ctx, &x.inputs[i]); err != nil {
			return err
		}
	}
	if x.pipeline.Snapshot != nil && slices.ContainsFunc(x.inputs, isRead) {
		// All of its files together say what there is.
		for i := range x.inputs {
			x.inputs[i].State = journal.ReadingFile
		}
		x.notices = x.notices[:said]
	}
	x.readOnFirst()
	return x.only()
}

func isRead(f journal.File) bool { return f.State == journal.ReadingFile }

// definition returns a hash of all that decides what becomes of a file beside
// the file: the text of the pipeline, and the files that it looks up.
func (x *execution) definition(ctx context.Context) (string, error) {
	parts := []string{x.pipeline.Hash}
	for _, l := range x.pipeline.Lookups {
		source, err := x.hub.source(x.pipeline, l.Source, "lookups."+l.Name+".source", nil, nil)
		if err != nil {
			return "", err
		}
		looked, ok := source.(connectors.FileSource)
		if !ok {
			continue
		}
		files, err := looked.Files()
		if err != nil {
			return "", err
		}
		for _, f := range files {
			hash, err := hashFile(ctx, f.Path, f.Size, nil)
			if err != nil {
				return "", err
			}
			parts = append(parts, hash)
		}
	}
	return hashText(strings.Join(parts, " ")), nil
}

// compareFile looks for a file in the ledger. It is passed over where applying
// it would change nothing: its path was last applied with the same contents,
// or nothing else was applied since these were, under whatever name. What was
// applied before something else is applied again: its sender went back to it.
func (x *execution) compareFile(ctx context.Context, f *journal.File) error {
	before, found, err := x.hub.journal.LastOfPath(ctx, x.pipeline.Name, f.Path)
	if err != nil {
		return err
	}
	last, err := x.hub.journal.LastFiles(ctx, x.pipeline.Name, false)
	if err != nil {
		return err
	}
	if found {
		last = slices.Insert(last, 0, before)
	}
	for _, known := range last {
		if known.Hash == "" || known.Definition != f.Definition || known.Size != f.Size {
			continue
		}
		if f.Hash == "" {
			if f.Hash, err = hashFile(ctx, f.Path, f.Size, x.hashing(f)); err != nil {
				return err
			}
		}
		if known.Hash == f.Hash {
			f.State = journal.SkippedFile
			x.notices = append(x.notices, appliedBefore(f.Name, &known))
			return nil
		}
	}
	// A snapshot says what there is by all of its rows.
	if found && !x.pipeline.Files.Whole && x.pipeline.Snapshot == nil && before.Definition == f.Definition && before.Hash != "" && before.Size < f.Size {
		return x.compareBeginning(ctx, f, &before)
	}
	return nil
}

func appliedBefore(name string, known *journal.File) string {
	as := ""
	if known.Name != name {
		as = " as " + known.Name
	}
	return fmt.Sprintf("%s was applied%s by run %s on %s: skipped (run with --again to apply it again)",
		name, as, known.Run, time.UnixMicro(known.Ended).UTC().Format("2006-01-02 15:04Z"))
}

// compareBeginning has a file read on where it begins with all that was read
// of it before, up to the end of a line.
func (x *execution) compareBeginning(ctx context.Context, f, before *journal.File) error {
	source, ok := x.source.(connectors.GrowingSource)
	if !ok || before.Cursor == "" {
		return nil
	}
	ended, err := endsWithLine(f.Path, before.Size)
	if err != nil || !ended {
		return err
	}
	hash, err := hashFile(ctx, f.Path, before.Size, x.hashing(f))
	if err != nil || hash != before.Hash {
		return err
	}
	f.Begun = string(source.ReadOn(connectors.Cursor(before.Cursor), connectors.File{Path: f.Path, Name: f.Name, Version: f.Version, Size: f.Size}))
	if f.Begun != "" {
		x.notices = append(x.notices, fmt.Sprintf("%s has grown since run %s: only what was added is read", f.Name, before.Run))
	}
	return nil
}

// readOnFirst keeps a cursor for the first file that is read alone: a source
// reads on in one file and goes through those behind it.
func (x *execution) readOnFirst() {
	first := true
	for i := range x.inputs {
		if x.inputs[i].State != journal.ReadingFile {
			continue
		}
		if !first {
			x.inputs[i].Begun = ""
		}
		first = false
	}
	x.nothing = first && len(x.inputs) > 0
}

// from returns the cursor behind which the source is read.
func (x *execution) from() connectors.Cursor {
	for _, f := range x.inputs {
		if f.State == journal.ReadingFile {
			return connectors.Cursor(f.Begun)
		}
	}
	return ""
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
func (x *execution) continues() bool { return x.from() != "" }

// sameFiles restricts a run that was held to the files that it had then, and
// refuses it where one of them is no longer the same.
func (x *execution) sameFiles(ctx context.Context) error {
	held, err := x.hub.journal.Files(ctx, x.id)
	if err != nil || len(held) == 0 {
		return err
	}
	for _, before := range held {
		at := slices.IndexFunc(x.inputs, func(f journal.File) bool { return f.Path == before.Path })
		if at < 0 {
			return fmt.Errorf("%s: the file that run %s was held with is no longer there: run the pipeline again", before.Name, x.id)
		}
		if x.inputs[at].Version != before.Version {
			return fmt.Errorf("%s: the file has changed since run %s was held: run the pipeline again", before.Name, x.id)
		}
	}
	x.inputs = held
	return x.only()
}

// hashing reports how far a file is hashed.
func (x *execution) hashing(f *journal.File) func(done int64) {
	return func(done int64) {
		if x.options.Progress != nil {
			x.options.Progress(Progress{Pipeline: x.pipeline.Name, Phase: "comparing", Done: done, Size: f.Size})
		}
	}
}

// beginFiles notes the files of the run. What was known of the contents of one
// stays known: those of an upload were hashed when it was received.
func (x *execution) beginFiles(ctx context.Context) error {
	if x.options.DryRun || len(x.inputs) == 0 {
		return nil
	}
	known, err := x.hub.journal.Files(ctx, x.id)
	if err != nil {
		return err
	}
	for i := range x.inputs {
		f := &x.inputs[i]
		for _, k := range known {
			if k.Path == f.Path && k.Size == f.Size && (k.Version == "" || k.Version == f.Version) {
				f.Hash = k.Hash
			}
		}
	}
	return x.hub.journal.BeginFiles(ctx, x.id, x.pipeline.Name, x.inputs)
}

// noteFile keeps how far the file of a batch was read.
func (x *execution) noteFile(b *connectors.Batch) {
	for i := range x.inputs {
		f := &x.inputs[i]
		if f.State == journal.ReadingFile && (f.Name == b.Origin.Resource || strings.HasPrefix(b.Origin.Resource, f.Name+":")) {
			f.Cursor, f.Rows = string(b.Cursor), f.Rows+int64(b.Read())
			return
		}
	}
}

// endFiles notes what the run has learnt of its files, and where to they go.
func (x *execution) endFiles(ctx context.Context, hashes *hashes, failure error) error {
	if len(x.inputs) == 0 {
		return nil
	}
	if failure == nil {
		hashes.wait(x.inputs)
	}
	for i := range x.inputs {
		f := &x.inputs[i]
		if f.Cursor == "" {
			f.Cursor = f.Begun // nothing but what is no row was added
		}
		folder := x.pipeline.Files.Done
		if failure != nil {
			folder = ""
			if x.failedAt(f, failure) {
				folder = x.pipeline.Files.Failed
			}
		}
		if folder == "" || x.options.Input != nil {
			continue // a file that someone has named is his
		}
		dir, err := filepath.Abs(filepath.Dir(x.pipeline.File))
		if err != nil {
			return err
		}
		if f.MoveTo = folder; !filepath.IsAbs(folder) {
			f.MoveTo = filepath.Join(dir, folder)
		}
	}
	return x.hub.journal.EndFiles(ctx, x.id, x.inputs)
}

// failedAt reports whether a run has failed at this file: the failure names it,
// or it is the only one and does not fit the pipeline.
func (x *execution) failedAt(f *journal.File, failure error) bool {
	status := x.summary(failure, 0).Status
	if status != journal.Failed || f.State != journal.ReadingFile {
		return false
	}
	if place, ok := faultyResource(failure); ok {
		return f.Name == place || strings.HasPrefix(place, f.Name+":")
	}
	return len(x.inputs) == 1 && isFaults(failure)
}

// checkFolders refuses a folder that files would be read from again.
func checkFolders(p *pipelines.Pipeline) error {
	pattern, ok := p.Source.Settings["path"].(string)
	if !ok {
		return nil
	}
	for key, folder := range map[string]string{"files.done": p.Files.Done, "files.failed": p.Files.Failed} {
		if folder != "" && filepath.Clean(folder) == filepath.Dir(pattern) {
			return p.Fault("", &connectors.SettingError{Path: key, Message: "is " + schemas.QuoteShort(folder) + ", where the files are read from: name another folder"})
		}
	}
	return nil
}
