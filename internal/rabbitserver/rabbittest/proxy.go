package rabbittest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Proxy stands between a client and a RabbitMQ, as the network does.
type Proxy struct {
	URL string // of the RabbitMQ by way of the proxy

	target   string
	listener net.Listener
	pumps    sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	refuses bool
	flowing chan struct{} // closed while bytes go through
}

// NewProxy returns a proxy to the RabbitMQ at the address. It ends with the test.
func NewProxy(tb testing.TB, address string) *Proxy {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens until the test ends
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{target: u.Host, listener: listener, conns: map[net.Conn]bool{}, flowing: make(chan struct{})}
	close(p.flowing)
	u.Host = listener.Addr().String()
	p.URL = u.String()
	p.pumps.Go(p.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		p.Resume()
		p.Cut()
		p.pumps.Wait()
	})
	return p
}

func (p *Proxy) accept() { // ends with the listener
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target) //nolint:noctx // the broker is on this machine
		if err != nil || !p.add(client, server) {
			_ = client.Close()
			continue
		}
		p.pumps.Go(func() { p.pump(client, server) })
		p.pumps.Go(func() { p.pump(server, client) })
	}
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.refuses {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.refuses
}

func (p *Proxy) pump(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		flowing := p.flowing
		p.mu.Unlock()
		<-flowing
		if _, written := to.Write(buffer[:n]); err != nil || written != nil {
			return
		}
	}
}

// Cut ends all connections that there are.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

// Refuse sets whether new connections are ended at once.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = yes
}

// Stall lets nothing through any more, on connections that stay open: neither
// side is told.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flowing = make(chan struct{})
}

// Resume lets through what Stall has held back.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
	default:
		close(p.flowing)
	}
}
