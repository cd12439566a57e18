package excel

import (
	"context"
	"errors"
	"fmt"

	"crossdock/connectors"
)

// damaged is what is said of a workbook that is not whole or not well formed.
// Whoever knows the place adds it, with [at].
func damaged(format string, args ...any) *connectors.Error {
	return &connectors.Error{
		Message: "the workbook is damaged: " + fmt.Sprintf(format, args...),
		Hint:    "copy it again, or open it in Excel and save it again",
	}
}

// refused is what is said of a workbook that could be read only at the peril
// of the machine, or understood in two ways.
func refused(format string, args ...any) *connectors.Error {
	return &connectors.Error{
		Message: "the workbook is refused: it " + fmt.Sprintf(format, args...),
		Hint:    "open it in Excel and save it again, in several files if it is large",
	}
}

// at gives an error the place where it arose, if it has none yet, and turns
// what came from below into an error that a user can act on.
func at(err error, place connectors.Place) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok {
		return &connectors.Error{Class: connectors.Transient, Place: place, Message: "cannot be read", Err: err}
	}
	if e.Place == (connectors.Place{}) {
		e.Place = place
	}
	return err
}
