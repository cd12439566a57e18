package gateway

import (
	"bytes"
	"container/list"
	"io"
	"net/http"
	"strings"
	"sync"

	"crossdock/internal/web"
)

const (
	defaultCacheBytes = 64 << 20
	maxKept           = 1 << 20 // bytes of one answer
	keptOverhead      = 1 << 10 // what an answer takes beside its body, about
)

// A cache keeps answers, those that were asked for last.
type cache struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	byKey map[string]*list.Element
	order *list.List // of *kept, the one asked for last first
}

// A kept answer is one of status 200 with an ETag.
type kept struct {
	key    string
	etag   string
	vary   map[string]string // headers of the request that it depends on
	header http.Header
	body   []byte
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, byKey: map[string]*list.Element{}, order: list.New()}
}

// get returns the answer that is kept for a request, or nil.
func (c *cache) get(key string, r *http.Request) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	k, _ := e.Value.(*kept)
	for name, value := range k.vary {
		if strings.Join(r.Header.Values(name), ",") != value {
			return nil
		}
	}
	c.order.MoveToFront(e)
	return k
}

func (c *cache) put(k *kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byKey[k.key])
	c.byKey[k.key] = c.order.PushFront(k)
	c.bytes += k.size()
	for c.bytes > c.limit {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	if e == nil {
		return
	}
	k, _ := c.order.Remove(e).(*kept)
	delete(c.byKey, k.key)
	c.bytes -= k.size()
}

func (k *kept) size() int64 { return int64(len(k.body)+len(k.key)) + keptOverhead }

// caching asks an upstream whether what is kept still holds, before it is
// given again. Nothing is given unasked, so that no answer is older than the
// upstream's own.
type caching struct {
	next  http.RoundTripper
	cache *cache
}

// RoundTrip implements http.RoundTripper.
func (c *caching) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.Header.Get("Range") != "" || has(r.Header, "no-store") {
		return c.next.RoundTrip(r)
	}
	key, wanted := r.URL.String(), r.Header.Get("If-None-Match")
	have := c.cache.get(key, r)
	if have != nil {
		r = r.Clone(r.Context()) // the request is not ours to change
		r.Header.Set("If-None-Match", have.etag)
	}
	answer, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if have != nil && answer.StatusCode == http.StatusNotModified {
		_ = answer.Body.Close() // it has none
		return have.answer(r, answer.Header, wanted), nil
	}
	if !mayKeep(answer) {
		return answer, nil
	}
	k, whole, err := read(answer)
	if err != nil {
		return nil, err
	}
	if !whole {
		return answer, nil
	}
	k.key = key
	for name := range strings.SplitSeq(strings.Join(answer.Header.Values("Vary"), ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			k.vary[name] = strings.Join(r.Header.Values(name), ",")
		}
	}
	c.cache.put(k)
	return k.answer(r, answer.Header, wanted), nil
}

// has reports whether Cache-Control has a directive.
func has(h http.Header, directive string) bool {
	for word := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(word), "="); strings.EqualFold(name, directive) {
			return true
		}
	}
	return false
}

func mayKeep(answer *http.Response) bool {
	h := answer.Header
	return answer.StatusCode == http.StatusOK && h.Get("ETag") != "" && h.Get("Set-Cookie") == "" &&
		!has(h, "no-store") && !has(h, "private") && !strings.Contains(strings.Join(h.Values("Vary"), ","), "*")
}

// read takes the body of an answer in. An answer that is too large to be kept is
// given back as it came.
func read(answer *http.Response) (k *kept, whole bool, err error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKept+1))
	if err == nil && len(body) > maxKept {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), answer.Body), answer.Body}
		return nil, false, nil
	}
	_ = answer.Body.Close() // it was read to its end, or failed
	if err != nil {
		return nil, false, err
	}
	header := answer.Header.Clone()
	for _, own := range []string{"X-Request-Id", "Date", "Content-Length", "Traceparent"} {
		header.Del(own) // of that one exchange
	}
	return &kept{etag: header.Get("ETag"), vary: map[string]string{}, header: header, body: body}, true, nil
}

// answer returns what is kept as an answer to a request, with the headers that
// the upstream has set just now. wanted is the client's If-None-Match.
func (k *kept) answer(r *http.Request, fresh http.Header, wanted string) *http.Response {
	header := k.header.Clone()
	for name, values := range fresh {
		if name != "Content-Length" && name != "Content-Type" {
			header[name] = values
		}
	}
	status, body := http.StatusOK, k.body
	if wanted != "" && web.Matches(wanted, k.etag) {
		status, body = http.StatusNotModified, nil
		header.Del("Content-Type")
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
