package commerce

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorsKeepTheirCodeWhenWrapped(t *testing.T) {
	for _, tt := range []struct {
		err    error
		code   Code
		status int
		text   string
	}{
		{Errorf(Invalid, "is %d too many", 3).At("query.limit"), Invalid, 400, "query.limit: is 3 too many"},
		{Errorf(NotFound, "there is no product %s", "A"), NotFound, 404, "there is no product A"},
		{Errorf(Conflict, "taken"), Conflict, 409, "taken"},
		{Errorf(Internal, "broken"), Internal, 500, "broken"},
		{errors.New("other"), Internal, 500, "other"},
	} {
		wrapped := fmt.Errorf("read: %w", tt.err)
		if got := CodeOf(wrapped); got != tt.code {
			t.Errorf("CodeOf(%v) = %s, want %s", wrapped, got, tt.code)
		}
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("text %q, want %q", got, tt.text)
		}
		if e, ok := errors.AsType[*Error](wrapped); ok && e.Status() != tt.status {
			t.Errorf("status of %v = %d, want %d", wrapped, e.Status(), tt.status)
		}
	}
}

func TestAPlaceIsGivenToACopy(t *testing.T) {
	general := Errorf(Invalid, "is wrong")
	message, place := general.At("query.at").Problem()
	if message != "is wrong" || place != "query.at" || general.Place != "" {
		t.Errorf("message %q, place %q, general %+v", message, place, general)
	}
}
