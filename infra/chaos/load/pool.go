package load

import (
	"math/rand/v2"
	"sync"

	"ticketing/infra/chaos/check"
)

// pool is the tickets in use.
type pool struct {
	mu    sync.Mutex
	slots []slot
	most  int // requests per ticket
}

// slot is the place of one ticket in the pool, as a copy of it is handed out.
type slot struct {
	at       int
	ticket   string // empty: one has to be created
	order    string // of the ticket, that nobody is known to have cancelled
	requests int
	lost     int // requests without a certain answer
}

func newPool(size, most int) *pool {
	p := &pool{slots: make([]slot, size), most: most}
	for at := range p.slots {
		p.slots[at].at = at
	}
	return p
}

func (p *pool) pick(dice *rand.Rand) slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slots[dice.IntN(len(p.slots))]
}

// created puts a new ticket into an empty slot. Of several that came at once the last one stays.
func (p *pool) created(s slot, op check.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op.Done() {
		p.slots[s.at] = slot{at: s.at, ticket: op.Ticket}
	}
}

// done notes a request of the slot's ticket, and gives the ticket up where it has had enough.
func (p *pool) done(s slot, op check.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := &p.slots[s.at]
	if now.ticket != s.ticket {
		return // given up meanwhile
	}
	now.requests++
	switch {
	case op.Kind == check.Reserve && op.Done():
		now.order = op.Order
	case op.Kind == check.Cancel && now.order == op.Order:
		now.order = ""
	case op.Kind == check.Pay && op.Done(): // all that is left to see is that the ticket cannot be had
		now.order, now.requests = "", now.requests+p.most/2
	}
	if op.Unknown() {
		now.lost++
	}
	if now.requests >= p.most || now.lost >= maxLost {
		*now = slot{at: s.at}
	}
}
