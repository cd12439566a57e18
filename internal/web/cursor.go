package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// A Fault is a Problem of the request itself.
type Fault struct {
	Code    int    // of HTTP
	Place   string // such as query.cursor
	Message string
}

// Error returns the place and the message.
func (f *Fault) Error() string { return f.Place + ": " + f.Message }

// Status implements Problem.
func (f *Fault) Status() int { return f.Code }

// Problem implements Problem.
func (f *Fault) Problem() (message, place string) { return f.Message, f.Place }

// EncodeCursor writes where a list goes on as a text that clients hand back
// and do not read. The value is the sort key of the last row given.
func EncodeCursor(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // sort keys are texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// DecodeCursor reads what EncodeCursor wrote into v. An empty cursor, the
// beginning, leaves v as it is. Any other error is a Fault at query.cursor.
func DecodeCursor(cursor string, v any) error {
	if cursor == "" {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return &Fault{
			Code: http.StatusBadRequest, Place: "query.cursor",
			Message: "is not a cursor of this list: take next_cursor of the answer before, or begin without one",
		}
	}
	return nil
}
