package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"
)

// A Message is what a broker carries.
type Message struct {
	// ID is the same whenever the message is published or delivered again.
	ID string

	// Type says in which form Body is, such as catalog.product.changed.v1.
	Type string

	// Key says who gets it: words parted by dots.
	Key string

	ContentType string            // of Body, such as application/json
	Time        time.Time         // kept to the second at least
	Headers     map[string]string // names that begin with x- are the broker's own
	Body        []byte

	// Attempt counts the deliveries of the message to this consumer that have
	// failed, and this one. Publish pays no attention to it.
	Attempt int
}

const (
	// MaxBody is how large a message may be. It tells of data, and does not carry them.
	MaxBody = 4 << 20

	maxShort   = 255 // bytes, which is all that AMQP has room for
	maxHeaders = 32
)

// Check reports what no broker would take.
func (m *Message) Check() error {
	for _, part := range []struct {
		name, text string
		required   bool
	}{{"id", m.ID, true}, {"type", m.Type, false}, {"key", m.Key, true}, {"content type", m.ContentType, false}} {
		if len(part.text) > maxShort || part.required && part.text == "" {
			return fmt.Errorf("message %.100s: its %s has %d bytes: 1 to %d are allowed", m.ID, part.name, len(part.text), maxShort)
		}
		// SQLite ends a text at a NUL, and PostgreSQL and consumers elsewhere take UTF-8 alone.
		if !utf8.ValidString(part.text) || strings.ContainsRune(part.text, 0) {
			return fmt.Errorf("message %.100q: its %s is no text in UTF-8", m.ID, part.name)
		}
	}
	if len(m.Body) > MaxBody {
		return fmt.Errorf("message %s: its body has %d bytes: up to %d are allowed", m.ID, len(m.Body), MaxBody)
	}
	if len(m.Headers) > maxHeaders {
		return fmt.Errorf("message %s: has %d headers: up to %d are allowed", m.ID, len(m.Headers), maxHeaders)
	}
	for name := range m.Headers {
		if name == "" || len(name) > maxShort || strings.HasPrefix(name, "x-") {
			return fmt.Errorf("message %s: header %.100q: a name has 1 to %d bytes and does not begin with x-", m.ID, name, maxShort)
		}
	}
	return nil
}

// A Failure is an error of a handler that says more than that it failed.
type Failure struct {
	Code  string // for those who sort the error queue, such as invalid
	Final bool   // another attempt would fail too
	Err   error
}

// Permanent marks an error that another attempt would meet too, so that the
// message goes to the error queue at once.
func Permanent(code string, err error) error { return &Failure{Code: code, Final: true, Err: err} }

// Error returns the error's own message.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error itself.
func (f *Failure) Unwrap() error { return f.Err }

// Call calls a handler, as drivers do. A panic is an error of this message,
// which another process would meet next.
func Call(ctx context.Context, handle func(context.Context, Message) error, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return handle(ctx, m)
}

// maxReason bounds what is kept of an error with its message.
const maxReason = 2_000

// FailureOf returns what a broker keeps of an error of a handler: its code,
// its text, cut where it is long, and whether it is the last.
func FailureOf(err error) (code, reason string, final bool) {
	code, reason = "failed", strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", "\uFFFD"), "\uFFFD")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		if f.Code != "" {
			code = f.Code
		}
		final = f.Final
	}
	return code, reason, final
}

// Matches reports whether a pattern matches a key. A star in it stands for one
// word of the key, and # for any number of words.
func Matches(pattern, key string) bool {
	return matches(strings.Split(pattern, "."), strings.Split(key, "."))
}

func matches(pattern, key []string) bool {
	for i, word := range pattern {
		if word == "#" {
			if i == len(pattern)-1 {
				return true
			}
			for from := i; from <= len(key); from++ {
				if matches(pattern[i+1:], key[from:]) {
					return true
				}
			}
			return false
		}
		if i >= len(key) || word != "*" && word != key[i] {
			return false
		}
	}
	return len(pattern) == len(key)
}
