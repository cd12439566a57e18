//go:build !sqlite_fts5

package store

const hasFTS5 = false
