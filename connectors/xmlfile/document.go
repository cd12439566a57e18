package xmlfile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crossdock/connectors"
)

// Bounds of a document. They are far above those of any catalogue.
const (
	maxDepth = 100
	maxAbove = 1 << 20 // bytes that are kept of what stands before the records
)

// limits are the bounds that depend on nothing but the memory to spend.
type limits struct {
	token    int64 // bytes of a text, or of a tag with its attributes
	record   int64 // bytes
	elements int   // of a record
	cell     int   // bytes
}

// usualLimits leave room for pictures that are written out in a document.
func usualLimits() limits {
	return limits{token: 16 << 20, record: 64 << 20, elements: 500_000, cell: 10 << 20}
}

// A document is one file whose encoding is known.
type document struct {
	file    connectors.File
	charset connectors.Charset
	cfg     *Config
	record  []step
	layout  *layout
	limits  limits
	sampled int   // records seen while the columns were learned
	rows    int64 // seen likewise
	crowded bool  // rows share lines, so that they are counted instead
}

// part is what a batch is said to come from where its rows are counted.
func (d *document) part() string {
	switch {
	case !d.crowded:
		return ""
	case d.cfg.Explode != "":
		return d.cfg.Record + "/" + d.cfg.Explode
	}
	return d.cfg.Record
}

func (d *document) errorf(line int64, hint, format string, args ...any) error {
	return &connectors.Error{
		Place: connectors.Place{Resource: d.file.Name, Row: line}, Message: fmt.Sprintf(format, args...), Hint: hint,
	}
}

// recognise finds out how a file is encoded: by a byte order mark, as set, or
// as it declares.
func (d *document) recognise() error {
	const enough = 4 << 10
	open, err := d.file.Open()
	if err != nil {
		return err
	}
	defer open.Close() // a file that was only read loses nothing
	sample := make([]byte, enough)
	n, err := io.ReadFull(open, sample)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return d.errorf(0, "", "cannot be read: %v", err)
	}
	sample = sample[:n]
	if kind, hint := connectors.KindOfFile(sample); kind != "" {
		return d.errorf(0, hint, "is not XML: it looks like %s", kind)
	}
	declared := d.cfg.Encoding
	if declared == connectors.AutoEncoding {
		if name := declaredEncoding(sample); name != "" {
			if message := connectors.EncodingFault(name); message != "" {
				return d.errorf(1, "set encoding to the one that is meant", "the encoding that the file declares, %s", message)
			}
			declared = name
		}
	}
	d.charset = connectors.DetectCharset(sample, declared)
	if declared == connectors.AutoEncoding && d.charset.Name == "windows-1252" {
		d.charset = connectors.CharsetNamed("utf-8", d.charset.Mark) // as XML is where it declares nothing
	}
	start := bytes.TrimLeft(d.charset.Text(sample[d.charset.Mark:]), " \t\r\n")
	switch {
	case len(start) == 0:
		return d.errorf(0, "was it fully written?", "the file holds nothing but blanks")
	case start[0] == '{' || start[0] == '[':
		return d.errorf(0, "use connector json", "is not XML: it looks like JSON")
	case start[0] != '<':
		return d.errorf(0, "delimited text is read by connector csv", "is not XML: it does not begin with <")
	}
	return nil
}

// declaredEncoding returns what an XML declaration says. UTF-16 cannot be
// declared in bytes that are not UTF-16, where the bytes speak for themselves.
func declaredEncoding(sample []byte) string {
	declaration, _, found := bytes.Cut(bytes.TrimPrefix(sample, []byte("\xef\xbb\xbf")), []byte("?>"))
	if !found || !bytes.HasPrefix(declaration, []byte("<?xml")) {
		return ""
	}
	_, rest, found := bytes.Cut(declaration, []byte("encoding"))
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if !found || len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, _ := bytes.Cut(rest[1:], rest[:1])
	if name := strings.ToLower(string(name)); !strings.HasPrefix(name, "utf-16") {
		return name
	}
	return ""
}

// A frame is an open element on the way to the records.
type frame struct {
	attributes []xml.Attr
	values     map[int][][]byte // of what stood in it before the records, by named column
}

// records yields the records of a document in order.
type records struct {
	doc     *document
	file    *connectors.OpenFile
	in      *input
	decoder *xml.Decoder
	frames  []frame
	tree    tree
	rooted  bool // the root element has begun
	kept    int  // bytes of frames
	tokens  int
	line    int64 // on which the current token begins
}

// An input hands bytes to the decoder, and bounds how many make one token.
type input struct {
	*bufio.Reader
	n, token int64 // bytes handed out, in all and before the current token
	most     int64 // bytes of a token
}

var errLongToken = errors.New("a text or a tag is too long")

func (s *input) ReadByte() (byte, error) {
	if s.n-s.token > s.most {
		return 0, errLongToken
	}
	b, err := s.Reader.ReadByte()
	if err == nil {
		s.n++
	}
	return b, err
}

func (d *document) open(ctx context.Context) (*records, error) {
	if err := d.file.CheckUnchanged(); err != nil {
		return nil, err
	}
	file, err := d.file.Open()
	if err != nil {
		return nil, err
	}
	text, err := d.charset.TextFrom(ctx, file, d.file.Size, 0)
	if err != nil {
		_ = file.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, d.errorf(0, "", "cannot be read: %v", err)
	}
	r := &records{doc: d, file: file, in: &input{Reader: bufio.NewReaderSize(text, 64<<10), most: d.limits.token}}
	r.decoder = xml.NewDecoder(r.in)
	r.decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 already
	return r, nil
}

func (r *records) close() error { return r.file.Close() }

// token returns the next token, and io.EOF behind the end of the root element.
func (r *records) token(ctx context.Context) (xml.Token, error) {
	const often = 1024
	if r.tokens++; r.tokens%often == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	line, _ := r.decoder.InputPos()
	r.line, r.in.token = int64(line), r.in.n
	token, err := r.decoder.Token()
	if err != nil {
		return nil, r.failed(err)
	}
	switch token := token.(type) {
	case xml.Directive:
		return token, r.directive(token)
	case xml.StartElement:
		return token, r.duplicate(token.Attr)
	}
	return token, nil
}

// failed says what is wrong with a document in the words of whoever has to
// mend it.
func (r *records) failed(err error) error {
	line, _ := r.decoder.InputPos()
	at := int64(line)
	syntax, isSyntax := errors.AsType[*xml.SyntaxError](err)
	switch {
	case errors.Is(err, io.EOF) && len(r.frames) == 0 && r.rooted:
		return io.EOF
	case errors.Is(err, io.EOF):
		return r.doc.errorf(at, "was it fully written?", "the file ends and holds no XML element")
	case errors.Is(err, errLongToken):
		return r.doc.errorf(r.line, "", "a text or a tag is longer than %d MiB", r.in.most>>20)
	case !isSyntax:
		return &connectors.Error{Place: connectors.Place{Resource: r.doc.file.Name, Row: at}, Message: "cannot be read from this line on", Err: err}
	case strings.Contains(syntax.Msg, "unexpected EOF"):
		return r.doc.errorf(at, "was it fully written? Copy it again", "the file is cut off: it ends before its last element does")
	case strings.Contains(syntax.Msg, "invalid character entity"):
		return r.doc.errorf(at, "entities that a document type declares are refused: have the file written with the characters themselves", "%s", syntax.Msg)
	case strings.Contains(syntax.Msg, "invalid UTF-8"):
		return r.doc.errorf(at, "set encoding to that of the file, most often windows-1252", "the text is not UTF-8")
	}
	return r.doc.errorf(at, "the file is not XML from here on: have it written again", "is malformed: %s", syntax.Msg)
}

// directive refuses a document type: it is the only place where entities can
// be declared, with which a short document can claim to be endless.
func (r *records) directive(d xml.Directive) error {
	switch {
	case bytes.IndexByte(d, '[') >= 0:
		return r.doc.errorf(r.line, "have the file written without declarations of its own", "the file declares a document type with elements or entities of its own: refused")
	case r.doc.cfg.Doctype != "ignore":
		return r.doc.errorf(r.line, "set doctype to ignore if the file is what it should be: what it names is never fetched", "the file declares a document type: refused")
	}
	return nil
}

// duplicate refuses an attribute that stands twice, which encoding/xml does not.
func (r *records) duplicate(attributes []xml.Attr) error {
	const most = 1000
	if len(attributes) > most {
		return r.doc.errorf(r.line, "", "an element has more than %d attributes", most)
	}
	for i, a := range attributes {
		if slices.ContainsFunc(attributes[:i], func(before xml.Attr) bool { return before.Name == a.Name }) {
			return r.doc.errorf(r.line, "the file is not XML from here on: have it written again", "is malformed: the attribute %s stands twice", a.Name.Local)
		}
	}
	return nil
}

// next goes to the next record and takes it into the tree, unless it is to be
// passed over. It reports whether the record was whole, which one that is too
// large is not.
func (r *records) next(ctx context.Context, take bool) (whole bool, err error) {
	for {
		token, err := r.token(ctx)
		if err != nil {
			return false, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth := len(r.frames)
			if depth == 0 && r.rooted {
				return false, r.doc.errorf(r.line, "the file is not one XML document", "a second root element follows the first")
			}
			r.rooted = true
			switch matches := r.doc.record[depth].matches(token.Name); {
			case matches && depth == len(r.doc.record)-1 && take:
				return r.take(ctx, token)
			case matches && depth == len(r.doc.record)-1:
				return true, r.skip(ctx)
			case matches:
				r.frames = append(r.frames, frame{attributes: slices.Clone(token.Attr)})
			default:
				if err := r.aside(ctx, token); err != nil {
					return false, err
				}
			}
		case xml.EndElement:
			r.leave()
		case xml.CharData:
			if len(r.frames) == 0 && len(bytes.TrimSpace(token)) > 0 {
				return false, r.doc.errorf(r.line, "the file is not one XML document", "there is text outside of the root element")
			}
		}
	}
}

// leave closes a frame and forgets what was kept for it.
func (r *records) leave() {
	last := len(r.frames) - 1
	for _, values := range r.frames[last].values {
		for _, value := range values {
			r.kept -= len(value)
		}
	}
	r.frames = r.frames[:last]
}

// take builds the tree of the element that has begun.
func (r *records) take(ctx context.Context, start xml.StartElement) (whole bool, err error) {
	r.tree.reset()
	began, depth := r.in.n, 0
	whole = true
	for token := xml.Token(start); ; {
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return false, r.doc.errorf(r.line, "", "elements are nested more than %d deep", maxDepth)
			}
			if whole {
				r.tree.begin(xml.StartElement{Name: token.Name, Attr: slices.Clone(token.Attr)}, r.line)
			}
		case xml.EndElement:
			depth--
			if whole {
				r.tree.end()
			}
			if depth == 0 {
				return whole, nil
			}
		case xml.CharData:
			if whole {
				r.tree.add(token)
			}
		}
		if r.in.n-began > r.doc.limits.record || len(r.tree.elements) > r.doc.limits.elements {
			whole = false
		}
		if token, err = r.token(ctx); err != nil {
			return false, err
		}
	}
}

// skip passes over the rest of the element that has begun.
func (r *records) skip(ctx context.Context) error {
	for depth := 1; depth > 0; {
		token, err := r.token(ctx)
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return r.doc.errorf(r.line, "", "elements are nested more than %d deep", maxDepth)
			}
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// aside passes over an element beside the way to the records, and keeps of it
// what columns of the records need.
func (r *records) aside(ctx context.Context, start xml.StartElement) error {
	var wanted []int
	for i, c := range r.doc.layout.named {
		if ups := c.path.ups; ups > 0 && len(r.doc.record)-1-ups == len(r.frames)-1 && !c.path.steps[0].attribute && c.path.steps[0].matches(start.Name) {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return r.skip(ctx)
	}
	line := r.line
	whole, err := r.take(ctx, start)
	if err != nil {
		return err
	}
	f := &r.frames[len(r.frames)-1]
	if f.values == nil {
		f.values = map[int][][]byte{}
	}
	for _, i := range wanted {
		// The element is held as the only one of a tree: its step is made already.
		first := r.doc.layout.named[i].path.steps[0]
		var places [maxPredicates + 1]int
		if !r.tree.holds(0, first.predicates, &places) {
			continue
		}
		r.tree.values(0, r.doc.layout.named[i].path.steps[1:], func(value []byte, _ int32) {
			r.kept += len(value)
			f.values[i] = append(f.values[i], bytes.Clone(value))
		})
	}
	if r.kept > maxAbove || !whole {
		return r.doc.errorf(line, "name elements that hold a value, not many", "the columns above the records hold more than %d KiB", maxAbove>>10)
	}
	return nil
}
