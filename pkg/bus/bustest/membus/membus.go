// Package membus is a bus in memory that behaves like NATS Streaming behind the adapter bus/stan. It is for
// tests that wait inside a testing/synctest bubble, where a broker over TCP cannot run: an AckWait of minutes
// takes no time there, and a redelivery happens at its exact moment. It passes the suite of package bustest.
//
//	Bus.Connect ──> Conn ──> member (one goroutine, calls the handler)
//	                 │           ^
//	  Cut, Stall, Heal           │ first delivery, redelivery after AckWait, handover
//	                 v           │
//	Bus: channels ──> groups ──> seats (what each member has been sent and has not acked)
//	  Stop, Start, Wipe, Retain, Drop
//
// As the broker does, redelivery and handover disregard MaxInflight, pick any member, and forget an event that
// retention has removed. As the adapter does, a member queues at most twice MaxInflight events for its handler
// and drops what is beyond; that comes again after AckWait.
//
// It does not imitate: a disk (Stop and Start lose nothing, and acks survive), latency, heartbeats and backoff
// (lost connections return at once when they can), limits on payloads and on events without an answer, client
// ids that are in use twice, and the order in which the real broker prefers members. The books can be read
// whatever a connection's network does.
package membus

import (
	"context"
	"slices"
	"sync"
	"time"

	"ticketing/pkg/bus"
)

// stopped is why nothing is connected after Stop.
const stopped = "the broker is stopped"

// Bus is a broker and the connections to it. Its methods may be called concurrently.
type Bus struct {
	running sync.WaitGroup // goroutines of members, timers that have not fired

	mu       sync.Mutex // guards everything below and all state of channels, connections and members
	answers  []func()   // calls to make when mu is free
	stopped  bool
	retain   int
	drop     func(clientID string, m bus.Message) bool
	channels map[string]*channel
	conns    []*Conn
}

// New starts an empty bus that ends with the test. In a bubble it must be called inside. t is a testing.TB or a
// rapid.T.
func New(t interface{ Cleanup(func()) }) *Bus {
	b := &Bus{channels: make(map[string]*channel)}
	t.Cleanup(b.Close)
	return b
}

// Close closes the connections, without time for the handlers to finish, and waits until every goroutine of the
// bus has ended. The bus must not be used afterwards.
func (b *Bus) Close() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	b.mu.Lock()
	conns := slices.Clone(b.conns)
	b.mu.Unlock()
	for _, c := range conns {
		_ = c.Close(over) // the context's error, or closed by its owner at the same time
	}
	b.running.Wait()
}

// Connect makes a connection, which ends with the bus if it is not closed before. It is connected when Connect
// returns, unless the broker is stopped.
func (b *Bus) Connect(clientID string) *Conn {
	b.mu.Lock()
	defer b.unlock()
	c := &Conn{
		bus: b, id: clientID, changed: make(chan struct{}),
		health: bus.Health{Reason: stopped, Since: time.Now()},
	}
	b.conns = append(b.conns, c)
	c.connect()
	return c
}

// Retain limits each channel to its newest events, n of them, as the broker does: what is older goes silently.
// 0 keeps everything, which is the default.
func (b *Bus) Retain(n int) {
	b.mu.Lock()
	defer b.unlock()
	b.retain = n
	for _, c := range b.channels {
		c.trim(n)
	}
}

// Drop asks f about each event that is about to reach a client. If f returns true the event is lost on the way,
// as if the client's queue were full, and comes again after AckWait. f must not call the bus. nil loses nothing.
func (b *Bus) Drop(f func(clientID string, m bus.Message) bool) {
	b.mu.Lock()
	defer b.unlock()
	b.drop = f
}

// Stop stops the broker. All connections are lost and wait for Start. What was not acked comes again then.
func (b *Bus) Stop() {
	b.mu.Lock()
	defer b.unlock()
	b.stop()
}

// Start starts the broker after Stop. Connections and members are back when it returns.
func (b *Bus) Start() {
	b.mu.Lock()
	defer b.unlock()
	b.start()
}

// Wipe gives the broker an empty disk: sequences begin at 1 again and groups start from the oldest event. A
// broker that is running restarts with it.
func (b *Bus) Wipe() {
	b.mu.Lock()
	defer b.unlock()
	running := !b.stopped
	b.stop()
	clear(b.channels)
	if running {
		b.start()
	}
}

func (b *Bus) stop() {
	b.stopped = true
	for _, c := range b.conns {
		c.lose(stopped)
	}
}

func (b *Bus) start() {
	b.stopped = false
	for _, c := range b.conns {
		c.connect()
	}
}

// unlock ends a critical section and makes the calls that had to wait for that.
func (b *Bus) unlock() {
	answers := b.answers
	b.answers = nil
	b.mu.Unlock()
	for _, answer := range answers {
		answer()
	}
}

// after calls f, with mu held, when d is over, unless stop is called before, with mu held. Close waits for it.
func (b *Bus) after(d time.Duration, f func()) (stop func()) {
	b.running.Add(1)
	wanted := true
	timer := time.AfterFunc(d, func() {
		defer b.running.Done()
		b.mu.Lock()
		defer b.unlock()
		if wanted { // else stop came while this waited for mu
			f()
		}
	})
	return func() {
		wanted = false
		if timer.Stop() {
			b.running.Done()
		}
	}
}

// channel returns a channel, and makes it if need be.
func (b *Bus) channel(name string) *channel {
	c := b.channels[name]
	if c == nil {
		c = &channel{bus: b, name: name}
		b.channels[name] = c
	}
	return c
}
