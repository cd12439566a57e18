package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// A restart is bridged: requests that read wait for it, and are made again.
const (
	bridge     = 10 * time.Second // of an upstream that is away for longer nobody waits
	maxWaiting = 512              // requests; those beyond are refused at once
	firstPause = 25 * time.Millisecond
	longPause  = 500 * time.Millisecond
)

// tries is the way to an upstream. A request that only reads is made again where
// the connection fails before the answer has begun.
type tries struct {
	next  http.RoundTripper
	clock func() time.Time

	mu      sync.Mutex
	away    time.Time // since when no connection has succeeded; zero: it is there
	waiting int
}

// RoundTrip implements http.RoundTripper.
func (t *tries) RoundTrip(r *http.Request) (*http.Response, error) {
	reads := (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		answer, err := t.next.RoundTrip(r)
		if err == nil {
			t.there()
			return answer, nil
		}
		if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() && !dialing(err) {
			return nil, err // it is there, and at work
		}
		if r.Context().Err() != nil || !t.mayWait(reads) {
			return nil, err
		}
		gone := t.wait(r.Context(), pause)
		if gone {
			return nil, err
		}
	}
}

func dialing(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

func (t *tries) there() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away = time.Time{}
}

// mayWait notes a failure, and reports whether the request may be made again
// after a pause.
func (t *tries) mayWait(reads bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if t.away.IsZero() {
		t.away = now
	}
	if !reads || now.Sub(t.away) >= bridge || t.waiting >= maxWaiting {
		return false
	}
	t.waiting++
	return true
}

// wait reports whether whoever asked has gone meanwhile.
func (t *tries) wait(ctx context.Context, pause time.Duration) (gone bool) {
	defer func() {
		t.mu.Lock()
		t.waiting--
		t.mu.Unlock()
	}()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}
