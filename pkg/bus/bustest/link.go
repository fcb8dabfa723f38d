package bustest

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Link is a TCP connection to a broker that can be taken away: a listener that forwards what connects to it.
// Its methods may be called concurrently.
type Link struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	state  linkState
	change *sync.Cond    // state
	delay  time.Duration // of what goes to the broker
	conns  map[net.Conn]struct{}
}

type linkState int

const (
	linkUp linkState = iota
	linkCut
	linkStalled
	linkClosed
)

// NewLink makes a link to a TCP address, host:port. The caller must Close it.
func NewLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("make a link: %w", err)
	}
	l := &Link{target: target, listener: listener, conns: make(map[net.Conn]struct{})}
	l.change = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	return l, nil
}

// Addr is the address to connect to instead of the target's.
func (l *Link) Addr() string {
	return l.listener.Addr().String()
}

// Cut ends every connection, and each new one at once.
func (l *Link) Cut() {
	l.set(linkCut, 0)
}

// Stall keeps every connection, and takes new ones, but lets nothing through, as a broken network does.
func (l *Link) Stall() {
	l.set(linkStalled, 0)
}

// Slow lets everything through, to the broker only after that delay.
func (l *Link) Slow(delay time.Duration) {
	l.set(linkUp, delay)
}

// Heal ends a Cut, a Stall or a Slow. Connections that were stalled go on where they stood.
func (l *Link) Heal() {
	l.Slow(0)
}

// Close ends the link and waits until it is gone.
func (l *Link) Close() {
	l.set(linkClosed, 0)
	_ = l.listener.Close() // a second Close has nothing to say
	l.running.Wait()
}

func (l *Link) set(state linkState, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkClosed {
		return
	}
	l.state, l.delay = state, delay
	if state == linkCut || state == linkClosed {
		for conn := range l.conns {
			_ = conn.Close() // what it would say is what was asked for
		}
	}
	l.change.Broadcast()
}

func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.running.Go(func() { l.forward(conn) })
	}
}

// forward carries one connection until either side ends it.
func (l *Link) forward(client net.Conn) {
	defer client.Close()
	if !l.add(client) {
		return
	}
	defer l.remove(client)
	if !l.pass() {
		return
	}
	broker, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer broker.Close()
	if !l.add(broker) {
		return
	}
	defer l.remove(broker)

	var back sync.WaitGroup
	back.Go(func() { l.copy(client, broker, noDelay) })
	l.copy(broker, client, l.latency)
	back.Wait()
}

// copy carries bytes one way, each lot after the delay of the moment. Where one side ends, both do.
func (l *Link) copy(to, from net.Conn, delay func() time.Duration) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		time.Sleep(delay())
		if n > 0 && l.pass() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the link is stalled. It reports whether bytes may go through.
func (l *Link) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.state == linkStalled {
		l.change.Wait()
	}
	return l.state == linkUp
}

// latency is how long what goes to the broker takes.
func (l *Link) latency() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay
}

func noDelay() time.Duration { return 0 }

func (l *Link) add(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkCut || l.state == linkClosed {
		return false
	}
	l.conns[conn] = struct{}{}
	return true
}

func (l *Link) remove(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}
