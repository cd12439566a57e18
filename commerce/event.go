package commerce

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An Event tells that something has happened in a service. It is written in
// the transaction that made it happen, and may reach a consumer more than once,
// always with the same ID. Its JSON is that of a CloudEvent 1.0.
type Event struct {
	// ID is unique among the events of all services, and at most 255 bytes long.
	ID string

	// Source is the service, such as /catalog.
	Source string

	// Type says what has happened and in which form Data tells it, such as
	// catalog.product.changed.v1.
	Type string

	// Subject is the thing that it has happened to, such as an order's number.
	// It is empty where the event tells of many, which Data then names. Events
	// of one subject are published in their order.
	Subject string

	// Sequence grows from one event of a source to the next that it has
	// published, so that a consumer knows the older of two.
	Sequence int64

	Time time.Time // at which it happened

	// TraceParent is the W3C trace context of what made it happen, or empty.
	TraceParent string

	Data json.RawMessage // a JSON object
}

// A Bus carries events from the services to whoever wants to know of them.
type Bus interface {
	// Publish returns once every one of the events is safe on the bus. After an
	// error any of them may be on it: publish them again, with the same IDs.
	Publish(ctx context.Context, events []Event) error

	// Subscribe hands the events of the types to handle until ctx ends, each at
	// least once, and again later where handle returns an error. A type may be a
	// pattern, as [TypeMatches] has it. What a consumer of that name has missed
	// while nobody was subscribed it gets first.
	Subscribe(ctx context.Context, consumer string, types []string, handle func(context.Context, Event) error) error
}

// TypeMatches reports whether an event's type is the one of the pattern. A
// pattern that ends in .* means all types that begin as it does, and * means all.
func TypeMatches(pattern, name string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

var (
	// A type is words parted by dots, the last of which is the version.
	eventType = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\.v[1-9][0-9]*$`)

	// A pattern is a type, or the words that it begins with and a star.
	typePattern = regexp.MustCompile(`^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.(\*|v[1-9][0-9]*))$`)
)

// maxAttribute bounds an id and a type: brokers have no room for longer ones.
const maxAttribute = 255

// CheckTypePattern reports what is wrong with a pattern of types.
func CheckTypePattern(pattern string) error {
	if !typePattern.MatchString(pattern) || len(pattern) > maxAttribute {
		return Errorf(Invalid, "%q is no type of events: give one such as catalog.product.changed.v1, catalog.* for all of a service, or * for all", pattern).At("query.type")
	}
	return nil
}

// Check reports what the event lacks, or has that no event may have.
func (e *Event) Check() error {
	if !eventType.MatchString(e.Type) || len(e.Type) > maxAttribute {
		return fmt.Errorf("type: %q is none such as catalog.product.changed.v1", e.Type)
	}
	if e.ID == "" || len(e.ID) > maxAttribute {
		return fmt.Errorf("id: has %d bytes: 1 to %d are allowed", len(e.ID), maxAttribute)
	}
	if source, err := url.Parse(e.Source); e.Source == "" || err != nil || source.String() != e.Source {
		return fmt.Errorf("source: %q is no reference such as /catalog", e.Source)
	}
	if e.Sequence < 0 {
		return fmt.Errorf("sequence: %d is below zero", e.Sequence)
	}
	if e.Time.IsZero() {
		return errors.New("time: required")
	}
	if data := bytes.TrimLeft(e.Data, " \t\r\n"); len(data) == 0 || data[0] != '{' || !json.Valid(data) {
		return errors.New("data: is no JSON object")
	}
	return nil
}

// A cloudEvent is an Event as CloudEvents writes it.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"`
	Sequence        string          `json:"sequence"` // numbers end at 32 bits there, and these shall sort as texts
	TraceParent     string          `json:"traceparent,omitempty"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

const (
	specVersion = "1.0"
	jsonType    = "application/json"
)

// MarshalJSON writes the event as a CloudEvent in the JSON event format.
func (e Event) MarshalJSON() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	return json.Marshal(cloudEvent{
		SpecVersion: specVersion, ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject,
		Time: e.Time.UTC().Format(time.RFC3339Nano), Sequence: fmt.Sprintf("%019d", e.Sequence),
		TraceParent: e.TraceParent, DataContentType: jsonType, Data: e.Data,
	})
}

// UnmarshalJSON reads what MarshalJSON writes. It refuses an event that lacks
// something, or has an attribute twice or in another form. Attributes that it
// does not know it passes over, since a newer service may send some.
func (e *Event) UnmarshalJSON(text []byte) error {
	attributes, err := attributesOf(text)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	var c cloudEvent
	for name, to := range map[string]any{
		"specversion": &c.SpecVersion, "id": &c.ID, "source": &c.Source, "type": &c.Type, "subject": &c.Subject,
		"time": &c.Time, "sequence": &c.Sequence, "traceparent": &c.TraceParent, "datacontenttype": &c.DataContentType, "data": &c.Data,
	} {
		value, there := attributes[name]
		if !there {
			continue // what has to be there is found missing below
		}
		if err := json.Unmarshal(value, to); err != nil || string(value) == "null" {
			return fmt.Errorf("event: %s: %.100s is no value of it", name, value)
		}
	}
	return e.fill(c)
}

// fill takes the attributes over, and checks them.
func (e *Event) fill(c cloudEvent) error {
	if c.SpecVersion != specVersion {
		return fmt.Errorf("event %s: specversion: is %q, and not %q", c.ID, c.SpecVersion, specVersion)
	}
	if c.DataContentType != jsonType {
		return fmt.Errorf("event %s: datacontenttype: is %q, and not %q", c.ID, c.DataContentType, jsonType)
	}
	at, err := time.Parse(time.RFC3339Nano, c.Time)
	if err != nil {
		return fmt.Errorf("event %s: time: %q is none such as 2026-11-21T06:00:00Z", c.ID, c.Time)
	}
	sequence, err := strconv.ParseInt(c.Sequence, 10, 64)
	if err != nil {
		return fmt.Errorf("event %s: sequence: %q is no number", c.ID, c.Sequence)
	}
	*e = Event{
		ID: c.ID, Source: c.Source, Type: c.Type, Subject: c.Subject, Sequence: sequence,
		Time: at.UTC(), TraceParent: c.TraceParent, Data: c.Data,
	}
	if err := e.Check(); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return nil
}

// attributesOf returns the members of a JSON object. Names count to the letter,
// which package json would not hold them to.
func attributesOf(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("is no JSON object")
	}
	attributes := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := attributes[name]; twice {
			return nil, fmt.Errorf("%s: stands there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		attributes[name] = value
	}
	return attributes, nil
}

type traceKey struct{}

// WithTrace returns a context in which events are written that carry on the
// W3C trace context given.
func WithTrace(ctx context.Context, traceParent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceParent)
}

// TraceOf returns the trace context that WithTrace has set, or "".
func TraceOf(ctx context.Context) string {
	traceParent, _ := ctx.Value(traceKey{}).(string)
	return traceParent
}

// idLetters are those of Crockford's base 32, in which ULIDs are written.
const idLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewEventID returns an id of its own: a ULID, which begins with the time.
func NewEventID(at time.Time) string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // does not fail
	high := uint64(at.UnixMilli())<<16 | uint64(binary.BigEndian.Uint16(random[:]))
	low := binary.BigEndian.Uint64(random[2:])
	id := make([]byte, 26) // of five bits each
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = idLetters[low&31]
		low, high = low>>5|high<<59, high>>5
	}
	return string(id)
}
