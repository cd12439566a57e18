package upsert

import (
	"os"
	"testing"
	"time"

	"crossdock/internal/store"
	"crossdock/schemas"
)

func openEngineAt(tb testing.TB, path string) *Engine {
	tb.Helper()
	db, err := store.Open(tb.Context(), path, os.DirFS("testdata"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	e, err := NewEngine(tb.Context(), db, "shop", func() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) },
		Table{Entity: entity(tb, "product")}, Table{Entity: entity(tb, "price")}, Table{Entity: entity(tb, "category")})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func entity(tb testing.TB, name string) *schemas.Entity {
	tb.Helper()
	e, err := schemas.Default().Entity(name)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
