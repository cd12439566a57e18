package commerce

import (
	"log/slog"
	"net/http"
)

// A Peer is a service in another process of the installation, as those who call
// it know it.
type Peer struct {
	URL   string // such as http://10.0.0.7:8081
	Token string // that all processes of the installation share

	// Log is told when the service stops to answer, and when it answers again.
	Log *slog.Logger

	// Transport makes the exchanges; nil: one that gives up on connections that
	// cannot be made.
	Transport http.RoundTripper
}
