package hub

import (
	"errors"
	"fmt"
)

// A Refusal says why something cannot be done as a person has asked for it.
type Refusal struct {
	message string
	cause   error
}

// Error returns what is wrong and what to do.
func (r *Refusal) Error() string { return r.message }

// Unwrap returns the cause, where there is one.
func (r *Refusal) Unwrap() error { return r.cause }

func refusef(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Refusal{message: err.Error(), cause: errors.Unwrap(err)}
}
