// Package fixedwidth reads text files whose columns are told by their place in
// the line, as mainframes and older ERPs write them. Begin with [Type].
//
//	file ── charset ── lines ── layout ──> batches
//	        (UTF-8)   (records) (cells by place)
//
// Nothing in such a file says what its columns are: the layout in the settings
// does, and a line that does not reach to the last column is refused.
package fixedwidth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"crossdock/connectors"
	"crossdock/schemas"
)

// Config says which files to read and how their lines are cut.
type Config struct {
	Path    string            `json:"path" doc:"File, or pattern that names several files of the same layout. Files packed with gzip or zstd are unpacked, and ZIP archives opened." example:"inbox/acme-*.txt" required:"true"`
	Member  string            `json:"member" doc:"Which files of a ZIP archive are read, as a pattern of their names; unset, all of them." example:"*.txt"`
	Columns map[string]string `json:"columns" doc:"Where each column stands: its first and last place as in 1-18, its first place and its length as in 19+40, or its first place up to the end of the line as in 59-. Places are counted from 1." example:"{ sku: 1-18, name: 19+40 }" required:"true"`
	Unit    string            `json:"unit" doc:"What places are counted in: characters, or bytes of the file as it is encoded." default:"characters" enum:"characters,bytes"`

	Encoding string `json:"encoding" doc:"Encoding of the text: auto, utf-8, utf-16le, utf-16be, windows-1252, iso-8859-15 or another one by name. A byte order mark in the file comes first." default:"auto" example:"windows-1252"`
	Trim     string `json:"trim" doc:"On which sides of a cell blanks are cut off: both, left, right or none. A cell of blanks alone is empty." default:"both" enum:"both,left,right,none"`

	Header     int      `json:"header" doc:"Lines at the beginning that are no rows."`
	Footer     int      `json:"footer" doc:"Lines at the end that are no rows; blank lines do not count."`
	Record     []string `json:"record" doc:"Texts with which the lines that are rows begin; unset, all lines are rows. A line that begins with none of them, and none of skip, is rejected." example:"P"`
	Skip       []string `json:"skip" doc:"Texts with which lines begin that are passed over, and counted as skipped." example:"[H, T]"`
	ShortLines string   `json:"short_lines" doc:"What becomes of a line that ends before the last column: it is rejected (reject), or its missing cells are empty (pad), for programs that cut blanks off at the end." default:"reject" enum:"reject,pad"`

	BatchRows int `json:"batch_rows" doc:"Rows per batch at most." default:"8000"`
	MaxLine   int `json:"max_line" doc:"Bytes in a line at most." default:"1048576"`
}

// Type describes the connector.
func Type() connectors.Type {
	return connectors.Define("fixed", "Reads text files with columns at fixed places, also packed with gzip, zstd or as ZIP archives.", open)
}

func open(cfg Config, env connectors.Env) (connectors.Source, error) {
	l, errs := parseLayout(cfg.Columns)
	if len(errs) > 0 {
		return nil, errs
	}
	return &source{cfg: cfg, layout: l, env: env}, nil
}

// Validate reports the settings that cannot work.
func (c Config) Validate() error {
	_, errs := parseLayout(c.Columns)
	refuse := func(setting, message string) {
		errs = append(errs, &connectors.SettingError{Path: setting, Message: message})
	}
	if message := connectors.EncodingFault(c.Encoding); message != "" {
		refuse("encoding", message)
	}
	if c.Unit == bytesUnit && strings.HasPrefix(strings.ToLower(c.Encoding), "utf-16") {
		refuse("unit", "cannot be bytes where a character has two of them: count characters")
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"header", c.Header, 0, 1_000},
		{"footer", c.Footer, 0, 1_000},
		{"batch_rows", c.BatchRows, 1, 1_000_000},
		{"max_line", c.MaxLine, 1, 64 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			refuse(n.name, fmt.Sprintf("must be %d to %d", n.least, n.most))
		}
	}
	for setting, texts := range map[string][]string{"record": c.Record, "skip": c.Skip} {
		for _, text := range texts {
			if text == "" {
				refuse(setting, "has an empty text, with which every line begins")
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

const (
	bytesUnit = "bytes"
	pad       = "pad"
)

type source struct {
	cfg    Config
	layout layout
	env    connectors.Env
}

// Check finds the files, and reads the first lines of the first.
func (s *source) Check(ctx context.Context) []connectors.Probe {
	probes := []connectors.Probe{{Name: "files"}}
	files, err := s.inspect()
	if err != nil {
		probes[0].Err = err
		return probes
	}
	probes[0].Detail = fmt.Sprintf("%d found, the first is %s (%s)", len(files), files[0].file.Name, files[0].charset.Name)
	return append(probes, s.sample(ctx))
}

// sample reads one small batch and shows how its first line was cut.
func (s *source) sample(ctx context.Context) connectors.Probe {
	probe := connectors.Probe{Name: "sample"}
	reader, err := s.Open(ctx, connectors.ReadRequest{BatchRows: 100})
	if err != nil {
		probe.Err = err
		return probe
	}
	defer reader.Close()
	batch, err := reader.Next(ctx)
	switch {
	case err != nil:
		probe.Err = err
		return probe
	case batch.Rows.NumRows() == 0 && len(batch.Rejects) > 0:
		first := batch.Rejects[0]
		probe.Err = &connectors.Error{Place: batch.Origin.Place(first.Row, -1, ""), Message: first.Message, Hint: "no line of the sample could be cut"}
		return probe
	}
	probe.Detail = fmt.Sprintf("%d lines read, %d of them could not be cut", batch.Read(), len(batch.Rejects))
	if batch.Rows.NumRows() > 0 {
		var cells []string
		for i, name := range s.layout.names() {
			cells = append(cells, name+" "+schemas.QuoteShort(batch.Rows.Column(i).ValueStr(0)))
		}
		probe.Detail += "; the first: " + strings.Join(cells, ", ")
	}
	return probe
}

// Files lists the files that the path names.
func (s *source) Files() ([]connectors.File, error) { return connectors.ListFiles(s.env, s.cfg.Path) }

// Discover returns the one stream that the files make together.
func (s *source) Discover(context.Context) ([]connectors.Stream, error) {
	if _, err := s.inspect(); err != nil {
		return nil, err
	}
	return []connectors.Stream{{Columns: s.layout.names(), Rereadable: true}}, nil
}

// Open looks at all files before the first row of any is delivered.
func (s *source) Open(_ context.Context, req connectors.ReadRequest) (connectors.Reader, error) {
	if req.Stream != "" {
		return nil, &connectors.Error{Message: fmt.Sprintf("there is no stream %s: the files are one stream without a name", schemas.QuoteShort(req.Stream))}
	}
	files, err := s.inspect()
	if err != nil {
		return nil, err
	}
	rows := s.cfg.BatchRows
	if req.BatchRows > 0 {
		rows = min(rows, req.BatchRows)
	}
	return newReader(s, files, rows, req.Cursor)
}

// A textFile is a file whose encoding is known.
type textFile struct {
	file    connectors.File
	charset connectors.Charset
}

// inspect looks at the beginning of every file.
func (s *source) inspect() ([]textFile, error) {
	files, err := connectors.FindMembers(s.env, s.cfg.Path, s.cfg.Member)
	if err != nil {
		return nil, err
	}
	texts := make([]textFile, 0, len(files))
	for _, file := range files {
		sample, err := sampleOf(file)
		if err != nil {
			return nil, err
		}
		kind, hint := connectors.KindOfFile(sample)
		if kind == "" {
			kind, hint = connectors.KindOfText(sample)
		}
		if kind != "" {
			return nil, &connectors.Error{Place: connectors.Place{Resource: file.Name}, Message: "is not a text file of lines: it looks like " + kind, Hint: hint}
		}
		text := textFile{file, connectors.DetectCharset(sample, s.cfg.Encoding)}
		if s.cfg.Unit == bytesUnit && strings.HasPrefix(text.charset.Name, "utf-16") {
			return nil, &connectors.Error{Place: connectors.Place{Resource: file.Name}, Message: "is " + text.charset.Name + ", in which places cannot be counted in bytes", Hint: "set unit to characters"}
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func sampleOf(file connectors.File) ([]byte, error) {
	const enough = 64 << 10
	open, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer open.Close() // a file that was only read loses nothing
	sample := make([]byte, enough)
	n, err := io.ReadFull(open, sample)
	place := connectors.Place{Resource: file.Name}
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil, &connectors.Error{Place: place, Message: "the file is empty", Hint: "was it fully written?"}
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &connectors.Error{Place: place, Message: "cannot be read", Err: err}
	}
	return sample[:n], nil
}
