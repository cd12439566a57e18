package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout  = 10 * time.Second // to send the head of a request
	idleTimeout    = 2 * time.Minute  // of a connection without one
	maxHeaderBytes = 64 << 10
	drainTimeout   = 15 * time.Second // for what was begun when the server is asked to stop
)

// Serve serves HTTP on the listener until ctx ends. It goes on for the delay
// given, for those who have not heard yet that it is no longer ready, and lets
// each connection end with the request that is on it. Then it takes no more
// connections, lets requests finish for a while, and cuts off the rest.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, delay time.Duration) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends when the server is shut down
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	server.SetKeepAlivesEnabled(false)
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-time.After(delay):
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	return nil
}

// Health adds what the keeper of a process asks: /livez and /healthz, which
// answer as long as it lives, /startupz, which answers once it has started, as
// nothing is served before, and /readyz, which answers 503 with the reason while
// ready returns an error.
func Health(mux *http.ServeMux, ready func(context.Context) error) {
	for _, path := range []string{"/healthz", "/livez", "/startupz"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { writeOK(w) })
	}
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			Note(r.Context(), err)
			WriteProblem(w, http.StatusServiceUnavailable, "not ready: "+err.Error(), "")
			return
		}
		writeOK(w)
	})
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{\"status\":\"ok\"}\n")) // whoever does not read it is gone
}
