package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"crossdock/hub/broker"
	"crossdock/hub/journal"
)

// An Announcer takes the notices of rejected rows to other systems. Brokers are.
type Announcer interface {
	Publish(ctx context.Context, to broker.Exchange, messages ...broker.Message) error
}

// A Rejection is the notice of a rejected row, as other systems read it. It is
// a contract: fields are only ever added.
type Rejection struct {
	journal.Error       // the row, and the first rule that kept it back
	Batch         int64 `json:"batch"` // of the run, from 1
	// Also are the other things that are wrong with the row.
	Also []AlsoWrong `json:"also,omitempty"`
	At   time.Time   `json:"at"` // when it was parked
}

// AlsoWrong is a further finding of a rejected row.
type AlsoWrong struct {
	ID      int64  `json:"id"`
	Rule    string `json:"rule"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

const rejectionType = "crossdock.row.rejected.v1"

// How long Announce waits: for rows that another process has parked, and after
// failures, the first and any.
const (
	announceEvery = 2 * time.Second
	announceAgain = time.Second
	announceSlow  = 30 * time.Second
)

// Announce tells the announcer of every row that is rejected, until ctx ends:
// at least once, the oldest first, from where any process left off. It reads
// them from the journal, so that an announcer that takes nothing for a while
// delays the notices and nothing else.
func (h *Hub) Announce(ctx context.Context, to Announcer) error {
	var failures int
	for ctx.Err() == nil {
		more, err := h.announceSome(ctx, to)
		wait := announceEvery
		switch {
		case err != nil && ctx.Err() == nil:
			if failures == 0 {
				h.Log.WarnContext(ctx, "rejected rows are not announced for now; they are in the error queue, and are announced later", "error", err)
			}
			wait = min(announceAgain<<min(failures, 10), announceSlow)
			failures++
		case more:
			failures = 0
			continue
		default:
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-h.rejected:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// tellOf wakes Announce up where a batch has rejected rows.
func (h *Hub) tellOf(c journal.Commit) {
	if len(c.Parked)+len(c.Remained) == 0 {
		return
	}
	select {
	case h.rejected <- struct{}{}:
	default: // it is awake
	}
}

func (h *Hub) announceSome(ctx context.Context, to Announcer) (more bool, err error) {
	notices, err := h.journal.Untold(ctx)
	if err != nil || !notices.More() {
		return false, err
	}
	messages := make([]broker.Message, len(notices.List))
	for i, n := range notices.List {
		if messages[i], err = rejection(n); err != nil {
			return false, err
		}
	}
	if len(messages) > 0 {
		if err := to.Publish(ctx, broker.Errors, messages...); err != nil {
			return false, err
		}
	}
	return true, h.journal.Told(ctx, notices)
}

// rejection returns the message of a notice. Its id is the same every time.
func rejection(n journal.Notice) (broker.Message, error) {
	r := Rejection{Batch: n.Row.Batch, At: n.Row.FirstSeen}
	for _, e := range n.Row.Errors() {
		if e.ID == n.Finding.ID {
			r.Error = e
			continue
		}
		r.Also = append(r.Also, AlsoWrong{ID: e.ID, Rule: e.Rule, Field: e.Field, Message: e.Message})
	}
	// Who mends the row, and how, is not for others to see.
	r.Edited, r.Assignee = nil, ""
	body, err := json.Marshal(r)
	if err == nil && len(body) > broker.MaxBody {
		r.Row = journal.Cells{}
		body, err = json.Marshal(r)
	}
	return broker.Message{
		ID: fmt.Sprintf("%s-%d", r.Run, r.ID), Type: rejectionType, Key: rejectionKey(r.Pipeline, r.Entity, r.Rule),
		ContentType: "application/json", Time: r.At, Body: body,
	}, err
}

// maxKeyPart bounds a part of a key, of which a broker takes 255 bytes.
const maxKeyPart = 80

// rejectionKey returns the key pipeline.entity.rule. Whatever would part words,
// or stand for others in a pattern, becomes a dash.
func rejectionKey(parts ...string) string {
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
				return r
			}
			return '-'
		}, part)
		words[i] = words[i][:min(len(words[i]), maxKeyPart)]
		if words[i] == "" {
			words[i] = "-"
		}
	}
	return strings.Join(words, ".")
}
