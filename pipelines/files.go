package pipelines

// Files says what becomes of the files that a run has read.
type Files struct {
	Again  bool   // a file is applied again although the pipeline has applied it
	Whole  bool   // a file that grew is read from its beginning
	Done   string // the folder that files are moved to once they are applied; "": they stay
	Failed string // the folder for files at which a run has failed; "": they stay
}

func (p *Pipeline) parseFiles() {
	d := p.doc
	m := d.section("files", "{ again: skip, done: done/ }", "again", "grown", "done", "failed")
	if value, there := m["again"]; there {
		p.Files.Again = d.choice("files.again", value, "skip", "apply") == "apply"
	}
	if value, there := m["grown"]; there {
		p.Files.Whole = d.choice("files.grown", value, "append", "whole") == "whole"
	}
	p.Files.Done = d.folder("files.done", m["done"])
	p.Files.Failed = d.folder("files.failed", m["failed"])
}

func (d *document) folder(path string, value any) string {
	text, ok := value.(string)
	if value != nil && (!ok || text == "") {
		d.fault(path, "must name a folder, as in done/")
	}
	return text
}
