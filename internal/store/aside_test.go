package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"crossdock/internal/store"
	"crossdock/internal/store/storetest"
)

func TestWritersGoOnBesideATransactionThatTakesNoTurn(t *testing.T) {
	db := open(t, storetest.Postgres(t), boxes(1))
	err := db.Aside(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO box (label) VALUES (?)`, "aside"); err != nil {
			return err
		}
		return db.Tx(t.Context(), func(turn *sql.Tx) error {
			_, err := turn.ExecContext(t.Context(), `INSERT INTO box (label) VALUES ('in turn')`)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	err = db.Aside(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `DELETE FROM box`); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error = %v", err)
	}
	if got := strings.Join(labels(t, db), ","); got != "aside,in turn" {
		t.Errorf("boxes %s", got)
	}
}

func TestAFileHasNothingAside(t *testing.T) {
	db := open(t, store.Place{Dir: t.TempDir()}, boxes(1))
	if err := db.Aside(t.Context(), func(*sql.Tx) error { return nil }); err == nil || !strings.Contains(err.Error(), "one writer") {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Listen(ctx, "news", func() { t.Error("something was heard") }); err != nil {
		t.Error(err)
	}
}

func TestListenersHearWhatIsCommittedInTheirSchema(t *testing.T) {
	place := storetest.Postgres(t)
	db, elsewhere := open(t, place, boxes(1)), open(t, storetest.Postgres(t), boxes(1))
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- db.Listen(ctx, "news", func() { heard <- struct{}{} }) }() // ends with ctx
	<-heard                                                                         // it listens
	tell := func(db *store.DB, fail error) {
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `SELECT pg_notify('news', current_schema())`); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	tell(db, errors.New("taken back"))
	tell(elsewhere, nil)
	tell(db, nil)
	<-heard
	// A notice before that one would have been heard before it.
	if len(heard) > 0 {
		t.Errorf("heard %d more", len(heard))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// The connection is good for others, and listens no more.
	err := db.Aside(t.Context(), func(tx *sql.Tx) error {
		channels, err := store.Collect(t.Context(), tx, text, `SELECT pg_listening_channels()`)
		if len(channels) > 0 {
			t.Errorf("still listens to %q", channels)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
