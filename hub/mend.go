package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"crossdock/connectors"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

// A MendReport says what became of the rows of a mended file. Every row of the
// file is counted once: Rows = Fixed + Failing + Untouched + Closed + Unknown.
type MendReport struct {
	Rows      int64 `json:"rows"`
	Fixed     int64 `json:"fixed"`         // mended, and applied
	Failing   int64 `json:"still_failing"` // mended, and rejected again
	Untouched int64 `json:"untouched"`     // as they were exported, or as they are by now
	Closed    int64 `json:"closed"`        // dealt with since they were exported
	Unknown   int64 `json:"unknown"`       // refused: not exported here, or not readable
	Cells     int64 `json:"cells"`         // that were changed
	DryRun    bool  `json:"dry_run,omitempty"`

	Refused []RefusedRow    `json:"refused,omitempty"` // some of the unknown rows
	Wrong   []journal.Error `json:"wrong,omitempty"`   // some of what keeps rows back
	Notices []string        `json:"notices,omitempty"`
	Runs    []Summary       `json:"runs,omitempty"` // the replays

	Unchecked string `json:"unchecked,omitempty"` // why a dry run could not try the rows
}

// A RefusedRow is a row of a mended file that nothing was done with.
type RefusedRow struct {
	Place   connectors.Place `json:"place"`
	Message string           `json:"message"`
}

// MendOptions say how to take a mended file in.
type MendOptions struct {
	By     string
	DryRun bool // say what would happen, and change nothing
}

// ErrNotMended tells that a file is no export of rejected rows.
var ErrNotMended = errors.New("is no export of rejected rows")

// Mend takes back a file that [Hub.ExportCSV] or [Hub.ExportXLSX] has written
// and a person has mended. Rows are known by their token, whatever their order
// and whichever columns are left. Cells that differ from what was exported are
// recorded as edits, and the rows with such edits are replayed. The same file
// a second time changes nothing.
func (h *Hub) Mend(ctx context.Context, file Input, options MendOptions) (MendReport, error) {
	m := &mending{hub: h, file: file, options: options, replay: map[string][]int64{}, judge: h.newJudge()}
	m.report.DryRun = options.DryRun
	var err error
	if m.tokens, err = h.tokens(); err != nil {
		return m.report, err
	}
	if m.source, err = h.openMended(file); err != nil {
		return m.report, err
	}
	// All of it is read before the first row is changed: a file that breaks off
	// shall leave no half of itself behind.
	if err := m.read(ctx); err != nil {
		return m.report, err
	}
	if options.DryRun {
		m.report.Unchecked = m.judge.unchecked
		return m.report, nil
	}
	report := m.report
	m.report, m.write = MendReport{}, true
	if err := m.read(ctx); err != nil {
		return m.report, err
	}
	if m.report.Rows != report.Rows {
		return m.report, fmt.Errorf("%s has changed while it was read", file.name())
	}
	return m.report, m.replayAll(ctx)
}

func (in *Input) name() string {
	if in.Name != "" {
		return in.Name
	}
	return filepath.Base(in.Path)
}

// openMended opens a mended file by the connector for its kind.
func (h *Hub) openMended(file Input) (connectors.Source, error) {
	settings := map[string]any{"path": file.Path}
	want := ""
	switch strings.ToLower(filepath.Ext(file.name())) {
	case ".xlsx", ".xlsm":
		want, settings["header"] = "excel", "1"
	case ".csv", ".txt", ".tsv":
		want = "csv"
	default:
		return nil, fmt.Errorf("%s %w: those are named .xlsx or .csv", file.name(), ErrNotMended)
	}
	for _, t := range h.Types {
		if t.Name == want {
			return t.New(settings, connectors.Env{Names: map[string]string{file.Path: file.name()}})
		}
	}
	return nil, fmt.Errorf("%s cannot be read here: there is no connector %s", file.name(), want)
}

// A mending is a mended file on its way into the error queue.
type mending struct {
	hub     *Hub
	file    Input
	options MendOptions
	tokens  *tokens
	source  connectors.Source
	judge   *judge
	write   bool // else find out what would be done
	report  MendReport
	seen    map[int64]connectors.Place // where each row of the queue stands in the file
	replay  map[string][]int64         // rows to be replayed, by pipeline
}

// read goes through all sheets of the file.
func (m *mending) read(ctx context.Context) error {
	m.seen = map[int64]connectors.Place{}
	streams, err := m.source.Discover(ctx)
	if err != nil {
		return err
	}
	exports := 0
	for _, stream := range streams {
		token := tokenColumn(stream.Columns)
		if token < 0 {
			if stream.Name != "" {
				m.notice("sheet %s is passed over: it has no column %s", stream.Name, tokenHeader)
			}
			continue
		}
		exports++
		if err := m.readStream(ctx, stream, token); err != nil {
			return err
		}
	}
	if exports == 0 {
		return fmt.Errorf("%s %w: it has no column %s, by which rows are known; export the errors anew, and keep that column",
			m.file.name(), ErrNotMended, tokenHeader)
	}
	return nil
}

func (m *mending) notice(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(m.report.Notices, text) && len(m.report.Notices) < reportedCells {
		m.report.Notices = append(m.report.Notices, text)
	}
}

// tokenColumn returns the column of the tokens, or -1. The longest name is
// that of the last export, where one was exported again.
func tokenColumn(names []string) int {
	at := -1
	for i, name := range names {
		if isAdded(name, tokenHeader) && (at < 0 || len(name) > len(names[at])) {
			at = i
		}
	}
	return at
}

// isAdded tells whether a column has the name of one that an export adds.
func isAdded(name, added string) bool {
	return strings.TrimLeft(name, "_") == added[1:] && strings.HasPrefix(name, "_")
}

func (m *mending) readStream(ctx context.Context, stream connectors.Stream, token int) error {
	reader, err := m.source.Open(ctx, connectors.ReadRequest{Stream: stream.Name, BatchRows: editPage})
	if err != nil {
		return err
	}
	for {
		b, err := next(ctx, reader)
		if b == nil || err != nil {
			return errors.Join(err, reader.Close())
		}
		for _, r := range b.Rejects {
			m.refuse(b.Origin.Place(r.Row, r.Column, ""), r.Message)
		}
		if err := m.batch(ctx, b, token); err != nil {
			return errors.Join(err, reader.Close())
		}
	}
}

func (m *mending) refuse(place connectors.Place, message string) {
	m.report.Rows++
	m.report.Unknown++
	if len(m.report.Refused) < reportedCells {
		m.report.Refused = append(m.report.Refused, RefusedRow{place, message})
	}
}

// batch deals with some rows of the file.
func (m *mending) batch(ctx context.Context, b *connectors.Batch, token int) error {
	claims := make([]claim, b.Rows.NumRows())
	known := map[int64]*journal.Row{}
	for i := range claims {
		text, _ := schemas.CellText(b.Rows.Column(token), i)
		if c, ok := parseToken(text); ok {
			claims[i], known[c.row] = c, nil
		}
	}
	rows, err := m.hub.journal.Rows(ctx, journal.ErrorFilter{Parked: slices.Sorted(maps.Keys(known))})
	if err != nil {
		return err
	}
	for _, r := range rows {
		known[r.ID] = r
	}
	var changes []journal.Change
	var mended []*journal.Row
	for i, c := range claims {
		row := known[c.row]
		place := b.Origin.Place(b.Origin.Rows[i], -1, "")
		before, twice := m.seen[c.row]
		switch {
		case row == nil || !m.tokens.proves(c, row):
			m.refuse(place, "its "+tokenHeader+" is none of this error queue: the row was added by hand or exported elsewhere, or is no longer kept")
			continue
		case twice:
			m.refuse(place, "is the same row as that of "+before.String())
			continue
		}
		m.seen[c.row] = place
		m.report.Rows++
		edits, touched, ok := m.compare(b, i, c, row)
		// An earlier import may have broken off before the replay.
		todo := len(edits) > 0 || touched && row.Untried()
		switch {
		case row.Status != journal.OpenRow:
			m.report.Closed++
			continue
		case !ok:
			m.report.Failing++
			continue
		case !todo:
			m.report.Untouched++
			continue
		case len(edits) > 0 || !m.write: // an edit that was never tried is tried now
			changes = append(changes, journal.Change{Row: row, By: m.options.By, Note: m.file.name(), Edits: edits})
		}
		m.report.Cells += int64(len(edits))
		mended = append(mended, row)
	}
	return m.settle(ctx, changes, mended)
}

// settle writes what was found, or has it tried.
func (m *mending) settle(ctx context.Context, changes []journal.Change, mended []*journal.Row) error {
	if !m.write && !m.options.DryRun {
		return nil
	}
	if m.write {
		if err := m.hub.journal.Change(ctx, changes...); err != nil {
			return err
		}
		for _, r := range mended {
			m.replay[r.Pipeline] = append(m.replay[r.Pipeline], r.ID)
		}
		return nil
	}
	trial := EditReport{DryRun: true}
	if err := m.hub.change(ctx, m.judge, &trial, changes); err != nil {
		return err
	}
	m.report.Fixed += trial.Pass
	m.report.Failing += int64(len(changes)) - trial.Pass
	m.report.Wrong = append(m.report.Wrong, trial.Wrong[:min(len(trial.Wrong), reportedCells-len(m.report.Wrong))]...)
	return nil
}

// compare returns what is left to do of the cells of a row that a person has
// changed since it was exported, and whether there are any. It is not ok where
// the row cannot be mended here.
func (m *mending) compare(b *connectors.Batch, i int, c claim, row *journal.Row) (edits []journal.Edit, touched, ok bool) {
	exported := row.ShownAt(c.revision)
	now := row.Mended()
	for column := range int(b.Rows.NumCols()) {
		name := b.Rows.ColumnName(column)
		at := exportedColumn(row.Cells.Names, name)
		if at < 0 || at >= len(exported.Values) {
			if !isAdded(name, errorsHeader) && !isAdded(name, rowHeader) && !isAdded(name, tokenHeader) && row.Cells.Whole {
				m.notice("the column %s is passed over: the rows have none of that name", schemas.QuoteShort(name))
			}
			continue
		}
		text, _ := schemas.CellText(b.Rows.Column(column), i)
		was := textOf(exported.Values[at])
		quoted := slices.Contains(c.quoted, at)
		if sameCell(text, was) || quoted && sameCell(text, "'"+was) {
			continue
		}
		if quoted {
			text = strings.TrimPrefix(text, "'")
		}
		if !row.Cells.Whole {
			m.notice("row %s %s", row.Place, errUnmendable)
			return nil, true, false
		}
		touched = true
		edits = appendEdit(edits, row, now, at, text)
	}
	slices.SortFunc(edits, func(a, b journal.Edit) int { return a.Position - b.Position })
	return edits, touched, true
}

// exportedColumn finds the column of a row that a header of an export names.
func exportedColumn(names []string, header string) int {
	for i, name := range names {
		if header == name || header == connectors.Neutral(name) {
			return i
		}
	}
	header = strings.Join(strings.Fields(header), " ")
	for i, name := range names {
		if header == strings.Join(strings.Fields(name), " ") {
			return i
		}
	}
	return -1
}

// sameCell tells whether a cell is as it was exported. Line ends and
// characters that a workbook cannot hold do not come back as they went, nor
// does the rest of a very long text.
func sameCell(text, was string) bool {
	if text == was {
		return true
	}
	cut, _ := fitCell(was)
	return plainCell(text) == plainCell(was) || plainCell(text) == plainCell(cut)
}

func plainCell(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == '\uFFFE' || r == '\uFFFF' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// IsAboutFile tells whether an error of [Hub.Mend] is about the file, and not ours.
func IsAboutFile(err error) bool {
	_, source := errors.AsType[*connectors.Error](err)
	return source || errors.Is(err, ErrNotMended)
}

// replayAll sends the mended rows, and counts what became of them.
func (m *mending) replayAll(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(m.replay)) {
		ids := m.replay[name]
		slices.Sort(ids)
		filter := journal.ErrorFilter{Pipeline: name, Parked: ids, Status: journal.OpenRow}
		s, err := m.hub.replay(ctx, filter, "mended", &ReplayOptions{By: m.options.By})
		m.report.Runs = append(m.report.Runs, s)
		if err != nil {
			return fmt.Errorf("the edits are kept, and the rows of %s wait to be replayed: %w", name, err)
		}
		open := int64(0)
		err = m.hub.journal.EachRow(ctx, filter, func(r *journal.Row) error {
			open++
			for _, e := range r.Errors() {
				if e.Severity == schemas.Reject && len(m.report.Wrong) < reportedCells {
					m.report.Wrong = append(m.report.Wrong, e)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		m.report.Failing += open
		m.report.Fixed += int64(len(ids)) - open
	}
	return nil
}
