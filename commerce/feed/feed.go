// Package feed is the events of several services as one: what GET /v1/events
// answers in a process that serves more than one of them.
package feed

import "crossdock/commerce/internal/outbox"

// A Feed is the feeds of services by their names, read together. A cursor of
// one service alone is one of theirs together, too.
type Feed = outbox.Merged

// A Page is events one after the other.
type Page = outbox.Page

// An Item is an event on a page.
type Item = outbox.Item

// Latest is a cursor to begin with the next event that happens.
const Latest = outbox.Latest
