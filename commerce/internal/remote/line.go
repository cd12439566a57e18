package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"crossdock/commerce"
	"crossdock/schemas"
)

const (
	callTimeout = time.Minute      // to answer a batch, and to go on with a stream
	getTimeout  = 15 * time.Second // to answer what buyers ask
	dialTimeout = 3 * time.Second

	// A call is tried again at most twice, and not where the first try has used
	// up the time by itself.
	attempts   = 3
	firstWait  = 100 * time.Millisecond
	longWait   = 2 * time.Second
	retryUntil = 10 * time.Second

	// Of the calls under way at most a part are repetitions, so that a service
	// that is slow is not made slower by those who wait for it.
	retryShare   = .2
	retryAtLeast = 3

	// After so many failures in a row a service is left alone for a while, and
	// then tried by a single call.
	openAfter = 5
	openFor   = 2 * time.Second
)

// A line is the way to a service.
type line struct {
	name, base, token string
	client            *http.Client
	tries             failsafe.Executor[received]
}

func newLine(name string, peer commerce.Peer) line {
	transport := peer.Transport
	if transport == nil {
		transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 16,
		}
	}
	return line{
		name: name, base: strings.TrimSuffix(peer.URL, "/"), token: peer.Token,
		client: &http.Client{
			Transport: transport,
			// The token is for the service alone, wherever it may point to.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		tries: tries(name, peer.Log),
	}
}

// tries returns what repeats calls, and holds them back.
func tries(name string, log *slog.Logger) failsafe.Executor[received] {
	away := func(_ received, err error) bool { return errors.Is(err, schemas.ErrAway) }
	retry := retrypolicy.NewBuilder[received]().
		HandleIf(func(r received, err error) bool {
			e, answered := errors.AsType[*statusError](err)
			return away(r, err) || answered && e.status >= http.StatusInternalServerError
		}).
		AbortOnErrors(circuitbreaker.ErrOpen).
		WithMaxAttempts(attempts).WithMaxDuration(retryUntil).
		WithBackoff(firstWait, longWait).WithJitterFactor(.5).
		WithDelayFunc(func(exec failsafe.ExecutionAttempt[received]) time.Duration {
			if e, ok := errors.AsType[*awayError](exec.LastError()); ok && e.after > 0 {
				return min(e.after, longWait)
			}
			return -1 // as it is set above
		}).
		WithBudget(budget.NewBuilder().WithMaxRate(retryShare).WithMinConcurrency(retryAtLeast).Build()).
		ReturnLastFailure().Build()
	breaker := circuitbreaker.NewBuilder[received]().
		HandleIf(away).
		WithFailureThreshold(openAfter).WithDelay(openFor).WithSuccessThreshold(1)
	if log != nil {
		breaker = breaker.
			OnOpen(func(circuitbreaker.StateChangedEvent) {
				log.Warn("service does not answer: it is left alone for a moment", "service", name)
			}).
			OnClose(func(circuitbreaker.StateChangedEvent) { log.Info("service answers again", "service", name) })
	}
	return failsafe.With(retry, breaker.Build())
}

// A request is a call on its way.
type request struct {
	method, path string
	body         []byte        // JSON, nil where there is none
	limit        time.Duration // for the answer, or for each step of a stream
	stream       bool
}

func (r *request) call() string {
	path, _, _ := strings.Cut(r.path, "?")
	return r.method + " " + path
}

// A received is an answer of status 200: its body, or the stream of it, which the
// caller closes.
type received struct {
	header http.Header
	body   []byte
	stream io.ReadCloser
}

// ask makes a call, again where that may help.
func (l *line) ask(ctx context.Context, r request) (received, error) {
	var last error
	got, err := l.tries.WithContext(ctx).Get(func() (received, error) {
		got, err := l.exchange(ctx, r)
		last = err
		return got, err
	})
	switch {
	case err == nil:
		return got, nil
	case ctx.Err() != nil:
		return received{}, fmt.Errorf("%s: %w", r.call(), ctx.Err())
	case errors.Is(err, circuitbreaker.ErrOpen) && last == nil:
		return received{}, l.away("has not answered of late, and is left alone for a moment")
	case last != nil: // and not that it was tried too often
		return received{}, last
	}
	return received{}, err
}

// exchange makes a call once.
func (l *line) exchange(ctx context.Context, r request) (_ received, err error) {
	inner, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(r.limit, cancel)
	defer func() {
		if err != nil || !r.stream {
			timer.Stop()
			cancel()
		}
	}()
	asked, err := http.NewRequestWithContext(inner, r.method, l.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return received{}, err
	}
	asked.Header.Set("Authorization", "Bearer "+l.token)
	if parent := commerce.TraceOf(ctx); parent != "" {
		asked.Header.Set("traceparent", parent)
	}
	if r.body != nil {
		asked.Header.Set("Content-Type", jsonType)
	}
	response, err := l.client.Do(asked)
	if err != nil {
		return received{}, l.broken(ctx, inner, &r, err)
	}
	if response.StatusCode == http.StatusOK && r.stream {
		timer.Stop()
		return received{header: response.Header, stream: &watched{body: response.Body, timer: timer, limit: r.limit, cancel: cancel}}, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return received{}, l.broken(ctx, inner, &r, err)
	}
	if response.StatusCode != http.StatusOK {
		return received{}, l.refused(&r, response, text)
	}
	return received{header: response.Header, body: text}, nil
}

// broken returns the error of an exchange that came to no end.
func (l *line) broken(ctx, inner context.Context, r *request, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", r.call(), ctx.Err())
	case inner.Err() != nil:
		return l.away("does not answer within " + r.limit.String())
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // which names the address
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		if err = e.Err; errors.Unwrap(err) != nil { // without the name of the system call
			err = errors.Unwrap(err)
		}
	}
	return l.away("cannot be reached: " + err.Error())
}

// refused returns the error of an answer that is no success.
func (l *line) refused(r *request, response *http.Response, text []byte) error {
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e := l.away("cannot answer now" + failure("", response.StatusCode, text).Error())
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			e.after = time.Duration(seconds) * time.Second
		}
		return e
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s at %s does not take the token of this process: give all processes the same CROSSDOCK_INTERNAL_TOKEN", l.name, l.base)
	}
	return failure(r.call(), response.StatusCode, text)
}

func (l *line) away(reason string) *awayError {
	return &awayError{who: l.name + " at " + l.base, reason: reason}
}

// An awayError tells that a service could not be asked.
type awayError struct {
	who    string // the service and its address
	reason string
	after  time.Duration // that the service has asked to wait for, or 0
}

// Error returns who is away, and why.
func (e *awayError) Error() string { return e.who + " " + e.reason }

// Is reports that the service is away.
func (e *awayError) Is(target error) bool { return target == schemas.ErrAway }

// Status returns the status of HTTP that the error has.
func (e *awayError) Status() int { return http.StatusServiceUnavailable }

// Problem returns the message, which is fit for clients.
func (e *awayError) Problem() (message, place string) { return e.Error(), "" }

// A watched body ends the exchange where nothing comes for too long.
type watched struct {
	body   io.ReadCloser
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelFunc
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	defer w.timer.Stop() // what becomes of the rows may take as long as it likes
	return w.body.Read(p)
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel()
	return w.body.Close()
}
