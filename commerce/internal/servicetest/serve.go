package servicetest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"crossdock/commerce"
)

// A Server is a service as it is served to its clients.
type Server interface {
	Handler() http.Handler
	Internal(mux *http.ServeMux)
}

// Serve serves a service until the test ends, and returns where.
func Serve(tb testing.TB, s Server) commerce.Peer {
	tb.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", s.Handler())
	s.Internal(mux)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return commerce.Peer{URL: server.URL + "/"}
}
