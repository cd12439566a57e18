package excel

import (
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Bounds of what a workbook keeps in memory.
const (
	maxSharedBytes = 64 << 20
	maxSharedItems = 4_000_000 // 4 bytes each; 200,000 rows of a catalogue have a million
	maxStyles      = 65_536    // Excel allows 65,490
)

// A workbook is an opened .xlsx file: its sheets, and what their cells refer to.
type workbook struct {
	*archive
	sheets   []sheet
	date1904 bool
	dates    []bool // by cell style: whether it shows a number as a date
	shared   sharedStrings

	unread string // the part of the shared strings until they are read, then ""
}

// A sheet is one worksheet of a workbook.
type sheet struct {
	name   string
	part   string
	hidden bool
}

// sharedStrings are the texts that cells refer to by number, one behind the
// other in blocks: a slice for each would double the memory they take, and one
// buffer would take twice its size while it grows.
type sharedStrings struct {
	blocks [][]byte
	ends   []uint32 // of each text: its block, and where in the block it ends
}

// A text is not longer than a block, and no block is longer than blockEnd.
const (
	blockBytes = maxText
	blockShift = 21
	blockEnd   = 1<<blockShift - 1
)

// at returns where a text lies.
func (s *sharedStrings) at(i int) (block, start, end uint32) {
	block, end = s.ends[i]>>blockShift, s.ends[i]&blockEnd
	if i > 0 && s.ends[i-1]>>blockShift == block {
		start = s.ends[i-1] & blockEnd
	}
	return block, start, end
}

// add holds a text, and reports false when there are too many.
func (s *sharedStrings) add(text []byte) bool {
	last := len(s.blocks) - 1
	if last < 0 || len(s.blocks[last])+len(text) > blockBytes {
		s.blocks = append(s.blocks, make([]byte, 0, blockBytes))
		last++
	}
	s.blocks[last] = append(s.blocks[last], text...)
	s.ends = append(s.ends, uint32(last)<<blockShift|uint32(len(s.blocks[last])))
	return len(s.blocks) <= maxSharedBytes/blockBytes && len(s.ends) <= maxSharedItems
}

// openWorkbook opens what is read of a workbook before its sheets, save the
// shared strings.
func openWorkbook(ctx context.Context, r io.ReaderAt, size, maxUnpacked int64) (*workbook, error) {
	if err := notZip(r, size); err != nil {
		return nil, err
	}
	a, err := openArchive(r, size, maxUnpacked)
	if err != nil {
		return nil, err
	}
	w := &workbook{archive: a}
	main, err := w.mainPart(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := w.relations(ctx, main)
	if err != nil {
		return nil, err
	}
	if err := w.readSheets(ctx, main, parts); err != nil {
		return nil, err
	}
	for _, rel := range parts {
		switch rel.kind {
		case "styles":
			if err := w.readStyles(ctx, rel.target); err != nil {
				return nil, err
			}
		case "sharedStrings":
			w.unread = rel.target
		}
	}
	return w, nil
}

// mainPart returns the part that lists the sheets.
func (w *workbook) mainPart(ctx context.Context) (string, error) {
	if !w.has("_rels/.rels") {
		return "", w.notWorkbook()
	}
	relations, err := w.relations(ctx, "")
	if err != nil {
		return "", err
	}
	for _, rel := range relations {
		if rel.kind != "officeDocument" {
			continue
		}
		switch {
		case path.Ext(rel.target) == ".bin":
			return "", &connectors.Error{Message: "is a binary workbook", Hint: "save it as .xlsx"}
		case strings.HasPrefix(rel.target, "word/"), strings.HasPrefix(rel.target, "ppt/"):
			return "", &connectors.Error{Message: "is a document or a presentation and no workbook", Hint: "save the table as .xlsx"}
		}
		return rel.target, nil
	}
	return "", w.notWorkbook()
}

// notWorkbook says what a ZIP archive is that is no workbook.
func (w *workbook) notWorkbook() error {
	for name := range w.entries {
		if ext := path.Ext(name); ext == ".xlsx" || ext == ".xlsm" || ext == ".csv" {
			return &connectors.Error{Message: "is a ZIP archive with files in it and no workbook", Hint: "unpack it first"}
		}
	}
	if w.has("mimetype") && w.has("content.xml") {
		return &connectors.Error{Message: "is an OpenDocument file (.ods)", Hint: "save it as .xlsx"}
	}
	return &connectors.Error{Message: "is a ZIP archive and no workbook", Hint: "save it as .xlsx"}
}

// A relation leads from one part to another.
type relation struct {
	id, target string
	kind       string // the last word of its type, which is the same in strict and transitional workbooks
}

// relations returns where a part leads to, or the whole archive where it is "".
func (w *workbook) relations(ctx context.Context, of string) ([]relation, error) {
	dir, file := path.Split(of)
	name := path.Join(dir, "_rels", file+".rels")
	if !w.has(name) {
		return nil, nil
	}
	s, err := w.scan(ctx, name)
	if err != nil {
		return nil, err
	}
	var relations []relation
	for {
		t, err := s.next()
		if err != nil || t == endOfMarkup {
			return relations, err
		}
		if t != startTag || string(s.name) != "Relationship" {
			continue
		}
		v, err := s.attrs.texts("Id", "Type", "Target", "TargetMode")
		if err != nil {
			return nil, err
		}
		if v[3] == "External" {
			continue // what lies outside of the file is never followed
		}
		target := strings.ReplaceAll(v[2], `\`, "/")
		if !strings.HasPrefix(target, "/") {
			target = path.Join("/", dir, target)
		}
		relations = append(relations, relation{id: v[0], kind: path.Base(v[1]), target: strings.TrimPrefix(path.Clean(target), "/")})
		if len(relations) > maxEntries {
			return nil, refused("has a part with more than %d relations", maxEntries)
		}
	}
}

// scan opens a part to be scanned.
func (w *workbook) scan(ctx context.Context, name string) (*scanner, error) {
	p, err := w.open(ctx, name)
	if err != nil {
		return nil, err
	}
	return newScanner(p, p.size), nil
}

func (w *workbook) readSheets(ctx context.Context, main string, parts []relation) error {
	targets := make(map[string]relation, len(parts))
	for _, rel := range parts {
		targets[rel.id] = rel
	}
	s, err := w.scan(ctx, main)
	if err != nil {
		return err
	}
	for {
		t, err := s.next()
		if err != nil || t == endOfMarkup {
			return err
		}
		if t != startTag {
			continue
		}
		switch string(s.name) {
		case "workbookPr":
			v, err := s.attrs.texts("date1904")
			if err != nil {
				return err
			}
			w.date1904 = isTrue(v[0])
		case "sheet":
			v, err := s.attrs.texts("name", "state", "id")
			if err != nil {
				return err
			}
			if err := w.addSheet(sheet{name: v[0], part: targets[v[2]].target, hidden: v[1] != "" && v[1] != "visible"}, targets[v[2]].kind); err != nil {
				return err
			}
		}
	}
}

// addSheet adds a sheet of cells. Those of charts, dialogs and macros have none.
func (w *workbook) addSheet(sh sheet, kind string) error {
	if kind != "worksheet" {
		return nil
	}
	// A cursor tells sheets by their names, as formulas do.
	if slices.ContainsFunc(w.sheets, func(other sheet) bool { return strings.EqualFold(other.name, sh.name) }) {
		return refused("has two sheets named %s", shown(sh.name))
	}
	if sh.name == "" {
		return damaged("it has a sheet without a name")
	}
	if len(w.sheets) == maxEntries {
		return refused("has more than %d sheets", maxEntries)
	}
	w.sheets = append(w.sheets, sh)
	return nil
}

func isTrue(s string) bool { return s == "1" || s == "true" }

// readStyles finds out which cell styles show dates.
func (w *workbook) readStyles(ctx context.Context, name string) error {
	s, err := w.scan(ctx, name)
	if err != nil {
		return err
	}
	codes := map[int]string{}
	inCells := 0 // the depth of cellXfs, 0 outside of it
	for {
		t, err := s.next()
		if err != nil || t == endOfMarkup {
			return err
		}
		if t != startTag {
			if t == endTag && s.depth < inCells {
				inCells = 0
			}
			continue
		}
		switch {
		case string(s.name) == "cellXfs":
			inCells = s.depth
		case string(s.name) == "numFmt":
			v, err := s.attrs.texts("numFmtId", "formatCode")
			if err != nil {
				return err
			}
			codes[atoi([]byte(v[0]))] = v[1]
		case string(s.name) == "xf" && inCells > 0 && s.depth == inCells+1:
			v, err := s.attrs.texts("numFmtId")
			if err != nil {
				return err
			}
			id := atoi([]byte(v[0]))
			w.dates = append(w.dates, isDateFormat(id, codes[id]))
		}
		if len(codes) > maxStyles || len(w.dates) > maxStyles {
			return refused("has more than %d styles", maxStyles)
		}
	}
}

// readShared reads the shared strings, unless that is done.
func (w *workbook) readShared(ctx context.Context) error {
	if w.unread == "" {
		return nil
	}
	s, err := w.scan(ctx, w.unread)
	if err != nil {
		return err
	}
	w.shared = sharedStrings{} // of an attempt that did not come to its end
	var value []byte
	for {
		t, err := s.next()
		if err != nil {
			return err
		}
		if t == endOfMarkup {
			w.unread = ""
			return nil
		}
		if t != startTag || string(s.name) != "si" {
			continue
		}
		if value, err = s.richText(value[:0]); err != nil {
			return err
		}
		if !w.shared.add(value) {
			e := refused("has more than %d different texts or %d MiB of them", maxSharedItems, maxSharedBytes>>20)
			e.Hint = "save the sheet as CSV and use connector csv"
			return e
		}
	}
}

// richText appends the text of the element si or is that was just begun. Runs
// of rich text are joined, and the phonetic runs that tell how a text is
// pronounced are left out.
func (s *scanner) richText(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := s.runs(dst)
	if err != nil {
		return nil, err
	}
	if len(dst)-start > maxText {
		return nil, refused("has a text of more than %d KiB", maxText>>10)
	}
	if bytes.Contains(dst[start:], []byte("_x")) {
		dst = append(dst[:start], appendXstring(nil, dst[start:])...)
	}
	return dst, nil
}

func (s *scanner) runs(dst []byte) ([]byte, error) {
	if raw, ok := s.plainText(); ok {
		return unescape(dst, raw)
	}
	start, outer, inText := len(dst), s.depth-1, 0
	for s.depth > outer && len(dst)-start <= maxText {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		switch {
		case t == startTag && string(s.name) == "rPh":
			err = s.skip()
		case t == startTag && string(s.name) == "t":
			inText = s.depth
		case t == endTag && s.depth < inText:
			inText = 0
		case t == text && inText > 0:
			dst, err = s.appendText(dst)
		}
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// selectSheets returns the sheets that a name or pattern means, in the order
// of the workbook, and the first visible one where it is "".
func (w *workbook) selectSheets(pattern string, hidden bool) ([]sheet, error) {
	var visible []string
	var found []sheet
	for _, sh := range w.sheets {
		matches, err := path.Match(strings.ToLower(pattern), strings.ToLower(sh.name))
		if err != nil {
			return nil, &connectors.Error{Message: "is not a pattern of sheet names: " + pattern, Err: err}
		}
		exact := strings.EqualFold(pattern, sh.name)
		if sh.hidden && !hidden {
			if exact {
				return nil, &connectors.Error{Message: "the sheet " + schemas.QuoteShort(sh.name) + " is hidden", Hint: "set hidden: true to read it, or unhide it"}
			}
			continue
		}
		visible = append(visible, sh.name)
		if matches || exact || pattern == "" && found == nil {
			found = append(found, sh)
		}
	}
	switch {
	case len(w.sheets) == 0:
		return nil, &connectors.Error{Message: "has no sheet with cells", Hint: "save the table as .xlsx"}
	case len(visible) == 0:
		return nil, &connectors.Error{Message: "has no visible sheet", Hint: "set hidden: true to read hidden ones"}
	case len(found) == 0:
		return nil, &connectors.Error{
			Message: "there is no sheet " + schemas.QuoteShort(pattern) + schemas.DidYouMean(pattern, visible),
			Hint:    "its sheets are " + strings.Join(visible, ", "),
		}
	}
	return found, nil
}
