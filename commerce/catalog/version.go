package catalog

import (
	"context"
	"database/sql"
	"fmt"

	"crossdock/internal/store"
	"crossdock/internal/web"
)

// A Conditional request asks for what has changed since an earlier answer.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"ETag of an earlier answer."`
}

// A Versioned answer can be kept, and asked about.
type Versioned struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
}

// unless returns the headers of an answer of that version, and the answer 304
// where the client has it already.
func (c Conditional) unless(version string) (Versioned, error) {
	etag := fmt.Sprintf("%q", version)
	if web.Matches(c.IfNoneMatch, etag) {
		return Versioned{}, web.NotModified(etag)
	}
	// no-cache: keep it, and ask whether it still holds.
	return Versioned{ETag: etag, CacheControl: "no-cache"}, nil
}

// unlessHeld is unless for lists. It is called before the list is read: what
// changes between the two makes the list newer than its version, and is asked
// for once more, while an older list of that version would be kept.
func (s *Service) unlessHeld(ctx context.Context, c Conditional) (Versioned, error) {
	version, err := s.version(ctx)
	if err != nil {
		return Versioned{}, err
	}
	return c.unless(version)
}

// version returns a text that changes with all that lists show: with every
// change of a row, and with every step that the indexes take towards it, which
// take what is pending from the front.
func (s *Service) version(ctx context.Context) (string, error) {
	version, _, err := store.First(ctx, s.db.Read(), func(rows *sql.Rows) (string, error) {
		var seq, pending, from int64
		err := rows.Scan(&seq, &pending, &from)
		return fmt.Sprintf("%d-%d-%d", seq, pending, from), err
	}, `SELECT (SELECT value FROM change_sequence), count(*), CAST(coalesce(sum(first_id), 0) AS BIGINT) FROM unindexed`)
	return version, err
}
