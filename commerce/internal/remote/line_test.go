package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crossdock/commerce"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// A stage plays a service: it answers the n-th exchange, counted from 1.
type stage struct {
	exchanges atomic.Int64
	answer    func(n int64, r *http.Request) (*http.Response, error)
}

func (s *stage) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.answer(s.exchanges.Add(1), r)
}

func answered(status int, body string, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r, nil
}

func known(t *testing.T, c *Caller) error {
	t.Helper()
	_, err := c.Known(t.Context(), "product", nil)
	return err
}

func TestCallsAreTriedAgainWhereThatMayHelp(t *testing.T) {
	const problem = `{"detail":"the disk is slow"}`
	for _, tt := range []struct {
		name      string
		status    int // 0: the connection breaks
		header    []string
		exchanges int64
		away      bool
		want      string
	}{
		{"no connection", 0, nil, 3, true, "shop at http://shop cannot be reached: no way"},
		{"overloaded", 503, []string{"Retry-After", "1"}, 3, true, "shop at http://shop cannot answer now: status 503: the disk is slow"},
		{"too many", 429, nil, 3, true, "shop at http://shop cannot answer now: status 429: the disk is slow"},
		{"a fault of the service", 500, nil, 3, false, "POST /internal/shop/product/known: status 500: the disk is slow"},
		{"a conflict", 409, nil, 1, false, "the disk is slow"},
		{"another token", 401, nil, 1, false, "shop at http://shop does not take the token of this process: give all processes the same CROSSDOCK_INTERNAL_TOKEN"},
		{"elsewhere", 302, []string{"Location", "http://thief/"}, 1, false, "POST /internal/shop/product/known: status 302: the disk is slow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stage{answer: func(int64, *http.Request) (*http.Response, error) {
					if tt.status == 0 {
						return nil, errors.New("no way")
					}
					return answered(tt.status, problem, tt.header...)
				}}
				err := known(t, Dial("shop", commerce.Peer{URL: "http://shop/", Token: "secret", Transport: s}))
				if err == nil || err.Error() != tt.want || errors.Is(err, schemas.ErrAway) != tt.away {
					t.Errorf("error %v (away: %t), want %s", err, errors.Is(err, schemas.ErrAway), tt.want)
				}
				if n := s.exchanges.Load(); n != tt.exchanges {
					t.Errorf("%d exchanges, want %d", n, tt.exchanges)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the token stands in %s", err)
				}
			})
		})
	}
}

func TestACallSucceedsOnItsSecondTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{answer: func(n int64, r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("Authorization"); got != "Bearer secret" {
				t.Errorf("Authorization: %q", got)
			}
			if got := r.Header.Get("traceparent"); got != "00-a-b-01" {
				t.Errorf("traceparent: %q", got)
			}
			if n == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			body, err := io.ReadAll(r.Body)
			if string(body) != `{"keys":["A"]}` || err != nil {
				t.Errorf("the second try sends %q, %v", body, err)
			}
			return answered(200, `{"known":[true]}`)
		}}
		ctx := commerce.WithTrace(t.Context(), "00-a-b-01")
		got, err := Dial("shop", commerce.Peer{URL: "http://shop", Token: "secret", Transport: s}).Known(ctx, "product", []string{"A"})
		if err != nil || len(got) != 1 || !got[0] {
			t.Errorf("known %v, %v", got, err)
		}
	})
}

func TestAServiceThatIsAwayIsLeftAloneAndThenAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dead := true
		s := &stage{answer: func(int64, *http.Request) (*http.Response, error) {
			if dead {
				return nil, errors.New("refused")
			}
			return answered(200, `{"known":[]}`)
		}}
		c := Dial("shop", commerce.Peer{URL: "http://shop", Transport: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 2 {
			if err := known(t, c); !errors.Is(err, schemas.ErrAway) {
				t.Fatalf("error %v, want that it is away", err)
			}
		}
		if n := s.exchanges.Load(); n != openAfter {
			t.Fatalf("%d exchanges before it is left alone, want %d", n, openAfter)
		}
		if err := known(t, c); !errors.Is(err, schemas.ErrAway) || !strings.Contains(err.Error(), "left alone for a moment") || s.exchanges.Load() != openAfter {
			t.Errorf("error %v after %d exchanges", err, s.exchanges.Load())
		}
		time.Sleep(openFor)
		if err := known(t, c); !errors.Is(err, schemas.ErrAway) || s.exchanges.Load() != openAfter+1 {
			t.Errorf("the single call: %v after %d exchanges", err, s.exchanges.Load())
		}
		dead = false
		time.Sleep(openFor)
		if err := known(t, c); err != nil {
			t.Errorf("it is back: %v", err)
		}
		for _, want := range []string{"does not answer", "answers again", "service=shop"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q: %s", want, &log)
			}
		}
	})
}

func TestASlowAnswerIsNotWaitedForTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{answer: func(_ int64, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := Dial("shop", commerce.Peer{URL: "http://shop", Transport: s})
		begun := time.Now()
		if err := known(t, c); !errors.Is(err, schemas.ErrAway) || !strings.HasSuffix(err.Error(), "does not answer within 1m0s") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took != callTimeout || s.exchanges.Load() != 1 {
			t.Errorf("%s and %d exchanges", took, s.exchanges.Load())
		}
		// Who asks no longer is not told that the service is away.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Known(ctx, "product", nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, schemas.ErrAway) {
			t.Errorf("error %v, want the caller's deadline", err)
		}
	})
}

// A dripping body comes with its first piece, and then no more.
type dripping struct{ io.Reader }

func (d dripping) Close() error { return nil }

func TestAStreamThatStandsStillIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{answer: func(_ int64, r *http.Request) (*http.Response, error) {
			in, out := io.Pipe()
			go func() {
				_, _ = io.WriteString(out, `{"batch":{"rows":1,"columns":[{"name":"sku","values":["A"]}]}}`+"\n")
				<-r.Context().Done()
				_ = out.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: 200, Body: dripping{in}}, nil
		}}
		c := Dial("shop", commerce.Peer{URL: "http://shop", Transport: s})
		begun := time.Now()
		_, err := c.Rows(t.Context(), schemas.RowsRequest{Entity: "product"}, func(*schemas.Batch) error {
			time.Sleep(time.Hour) // ours to take
			return nil
		})
		if !errors.Is(err, schemas.ErrAway) || time.Since(begun) != time.Hour+callTimeout {
			t.Errorf("error %v after %s", err, time.Since(begun))
		}
	})
}

// TestThatAServiceIsAwayIsAProblemForClients proves what an API that stands
// before the service answers.
func TestThatAServiceIsAwayIsAProblemForClients(t *testing.T) {
	l := newLine("shop", commerce.Peer{URL: "http://shop"})
	w := httptest.NewRecorder()
	web.WriteError(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), l.away("does not answer"))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "shop at http://shop does not answer") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
