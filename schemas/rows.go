package schemas

import "errors"

// A RowsRequest says which rows of an entity to read.
type RowsRequest struct {
	Entity string `json:"entity"`

	// Columns are the fields or columns to read beside those of the key: a
	// localised or open field stands for all of its columns. Nil: all fields.
	Columns []string `json:"columns"`

	// Where holds values, as people write them, that columns must have.
	Where map[string]string `json:"where,omitempty"`

	// After is the sequence that an earlier answer has returned: only what has
	// changed since is read, and what was deleted since, whatever Where says.
	// 0: all rows there are.
	After int64 `json:"after,omitempty"`
}

// ErrAway tells that a service could not be asked, or was too busy to answer.
// Nothing is wrong with what it was asked: ask it again later.
var ErrAway = errors.New("is away")

// ErrHistoryGone tells that deletions since a sequence are no longer known:
// all rows have to be read.
var ErrHistoryGone = errors.New("what was deleted since is no longer known: read all rows")
