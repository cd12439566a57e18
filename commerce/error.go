package commerce

import (
	"errors"
	"fmt"
	"net/http"
)

// A Code says what kind of error it is, and so who has to act.
type Code string

// The codes.
const (
	Invalid  Code = "invalid"   // the caller must change the request
	NotFound Code = "not_found" // there is no such thing, or not for this caller
	Conflict Code = "conflict"  // someone else was first; read again and retry
	Gone     Code = "gone"      // it was there, and is no longer kept
	Internal Code = "internal"  // ours to fix; the detail goes to the log alone
)

// An Error is meant for people: its message says what is wrong with the
// request, and Place which part of it, such as query.cursor.
type Error struct {
	Code    Code
	Place   string
	Message string
}

// Errorf returns an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// At returns the error with the place given.
func (e *Error) At(place string) *Error {
	return &Error{Code: e.Code, Place: place, Message: e.Message}
}

// Error returns the message, and where it has one, the place before it.
func (e *Error) Error() string {
	if e.Place == "" {
		return e.Message
	}
	return e.Place + ": " + e.Message
}

// Status returns the status of HTTP that the error has.
func (e *Error) Status() int {
	switch e.Code {
	case Invalid:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Gone:
		return http.StatusGone
	case Internal:
	}
	return http.StatusInternalServerError
}

// Problem returns the message and the place apart, as an answer of HTTP shows them.
func (e *Error) Problem() (message, place string) { return e.Message, e.Place }

// CodeOf returns the code of err, and Internal when it has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
