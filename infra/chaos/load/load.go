// Package load sends requests to the services as a crowd of clients does, and records what each was answered.
//
//	clients ──> pool of tickets in use ──> POST, PUT, GET, DELETE ──> tickets, orders, payments
//	   └── every request and its answer, or that there was none ──> []check.Op
//
// Several clients share few tickets at a time, so that they get into each other's way; a ticket is given up
// after some requests, so that its history can still be put into order, and the number of tickets grows.
package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/pkg/identity"
)

// Config of a Load. All fields but Payments are required.
type Config struct {
	// Tickets and Orders are the base URLs of the services' members, "http://host:port"; each request goes to one of them.
	Tickets []string
	Orders  []string
	// Payments is the same of payments; without it nobody pays.
	Payments []string
	// Sessions are under the services' key.
	Sessions *identity.Sessions
	// Clients send one request after the other, each after a pause of about Pause.
	Clients int
	Pause   time.Duration
	// Timeout is how long a client waits for an answer.
	Timeout time.Duration
	// InUse is how many tickets are in use at the same time, and PerTicket after how many requests one is given up.
	InUse     int
	PerTicket int
	// Seed decides what the clients do, though not when.
	Seed uint64
}

// maxLost is after how many requests without a certain answer a ticket is given up: each doubles what the
// search for an order may have to try.
const maxLost = 4

// Load is a crowd of clients. Its methods may be called concurrently.
type Load struct {
	cfg    Config
	seller *person
	buyer  *person
	pool   *pool
	began  time.Time
	titles atomic.Int64

	mu      sync.Mutex
	history []check.Op
}

// New makes a load. It sends nothing before Run. The caller must Close it.
func New(cfg Config) (*Load, error) {
	l := &Load{cfg: cfg, pool: newPool(cfg.InUse, cfg.PerTicket), began: time.Now()}
	var err error
	if l.seller, err = newPerson(cfg.Sessions, "seller", cfg.Timeout); err != nil {
		return nil, err
	}
	if l.buyer, err = newPerson(cfg.Sessions, "buyer", cfg.Timeout); err != nil {
		return nil, err
	}
	return l, nil
}

// Run lets the clients send requests until ctx ends; a request on its way is then answered or given up.
func (l *Load) Run(ctx context.Context) {
	var clients sync.WaitGroup
	for n := range l.cfg.Clients {
		clients.Go(func() {
			dice := rand.New(rand.NewPCG(l.cfg.Seed, uint64(n)))
			for ctx.Err() == nil {
				l.step(n, dice)
				pause := l.cfg.Pause/2 + time.Duration(dice.Int64N(int64(l.cfg.Pause)+1))
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	clients.Wait()
}

// Close gives the clients' connections up.
func (l *Load) Close() {
	l.seller.client.CloseIdleConnections()
	l.buyer.client.CloseIdleConnections()
}

// History is every request up to now whose answer came or was given up.
func (l *Load) History() []check.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.history)
}

// Began is when the history began.
func (l *Load) Began() time.Time { return l.began }

// step is one request of one client.
func (l *Load) step(client int, dice *rand.Rand) {
	slot := l.pool.pick(dice)
	tickets, orders := one(l.cfg.Tickets, dice), one(l.cfg.Orders, dice)
	if slot.ticket == "" {
		l.pool.created(slot, l.create(client, tickets, dice))
		return
	}
	var op check.Op
	switch chance := dice.IntN(100); {
	case chance < 50:
		op = l.edit(client, tickets, slot.ticket, dice)
	case chance < 70:
		op = l.read(client, tickets, slot.ticket)
	case slot.order == "" || chance < 80:
		op = l.reserve(client, orders, slot.ticket)
	case chance < 96 || len(l.cfg.Payments) == 0:
		op = l.cancel(client, orders, slot.ticket, slot.order)
	default:
		op = l.pay(client, one(l.cfg.Payments, dice), slot.ticket, slot.order, dice)
	}
	l.pool.done(slot, op)
}

func one(of []string, dice *rand.Rand) string { return of[dice.IntN(len(of))] }

// record notes a request that was sent at the given time and is answered now.
func (l *Load) record(op check.Op, sent time.Time) check.Op {
	op.Call, op.Return = sent.Sub(l.began), time.Since(l.began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, op)
	return op
}

// probing is the number of the client that Probe is.
const probing = -1

// Probe creates a ticket at every member of tickets and waits until a member of orders lets it be ordered, every
// member in its turn, which proves that requests, stores, relays, the broker and a consumer work. It tries
// until ctx ends. Its requests are part of the history.
func (l *Load) Probe(ctx context.Context) error {
	dice := rand.New(rand.NewPCG(l.cfg.Seed, rand.Uint64()))
	for n := range max(len(l.cfg.Tickets), len(l.cfg.Orders)) {
		if err := l.probe(ctx, dice, l.cfg.Tickets[n%len(l.cfg.Tickets)], l.cfg.Orders[n%len(l.cfg.Orders)]); err != nil {
			return err
		}
	}
	return nil
}

func (l *Load) probe(ctx context.Context, dice *rand.Rand, tickets, orders string) error {
	ticket := ""
	err := until(ctx, func() bool {
		op := l.create(probing, tickets, dice)
		ticket = op.Ticket
		return op.Done()
	})
	if err != nil {
		return fmt.Errorf("probe: no ticket could be created at %s: %w", tickets, err)
	}
	err = until(ctx, func() bool {
		op := l.reserve(probing, orders, ticket)
		return op.Done() || op.Status == http.StatusConflict // its own order, of which it was not told
	})
	if err != nil {
		return fmt.Errorf("probe: ticket %s is not visible at %s: %w", ticket, orders, err)
	}
	return nil
}

// until tries every few milliseconds.
func until(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
