package commerce

import "context"

// A Feed hands out the events of one service in their order, to whoever asks.
type Feed interface {
	// Events returns events after a position. A position whose successors are no
	// longer all kept is a Gone error.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
}

// An EventQuery asks for events.
type EventQuery struct {
	// After is the position to begin after: EventPage.Last of the page before,
	// or one of those below.
	After int64

	Types []string // patterns, as TypeMatches has them; none: all
	Limit int      // events a page, 100 where it is not above 0
}

// Where to begin without a page before.
const (
	FromOldest = -1 // with the oldest event that is kept
	FromLatest = -2 // with the next one that happens
)

// An EventPage is events one after the other.
type EventPage struct {
	Events []Event

	// Last is the position to go on after. It may lie beyond the last event,
	// where those that follow are of other types.
	Last int64

	More bool // there were more when the page was read
}
