package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
)

// request is what somebody asks of the API.
type request struct {
	user   int // whose session
	method string
	path   string
	body   string // JSON, or empty
	allow  []int  // the statuses the API may answer with, beside 503
	// made is told the id that a 201 names; nil where nobody wants to know.
	made func(id string)
}

// ticket is one of those that the load reads, changes and orders.
type ticket struct {
	id    string
	owner int
}

// workload decides what is asked. Reads, changes and orders are spread evenly over the tickets that were made
// before the load; created ones come on top and are left alone. An order is cancelled by a later request in its
// turn, so that most tickets stay free; changes and orders of one that is not are answered with 409. Its methods may
// be called concurrently, each caller with a random source of its own.
type workload struct {
	mix     mix
	users   int
	tickets []ticket

	mu   sync.Mutex
	held []held
}

// held is an order that was not cancelled yet.
type held struct {
	id    string
	buyer int
}

// next is the next thing somebody asks.
func (w *workload) next(random *rand.Rand) request {
	n := random.IntN(w.mix.total())
	subject := w.tickets[random.IntN(len(w.tickets))]
	user := random.IntN(w.users)
	draft := fmt.Sprintf(`{"title":"concert %d","price":%d.5}`, random.Uint32(), 1+random.IntN(1000))
	if n -= w.mix.Reads; n < 0 {
		return readTicket(user, subject.id)
	}
	if n -= w.mix.Creates; n < 0 {
		return createTicket(user, draft)
	}
	if n -= w.mix.Updates; n < 0 {
		return request{user: subject.owner, method: http.MethodPut, path: "/api/tickets/" + subject.id, body: draft,
			allow: []int{http.StatusOK, http.StatusConflict}}
	}
	if random.IntN(2) == 0 {
		if h, ok := w.takeHeld(); ok {
			return cancelOrder(h.buyer, h.id)
		}
	}
	return w.placeOrder(user, subject.id)
}

func readTicket(user int, id string) request {
	return request{user: user, method: http.MethodGet, path: "/api/tickets/" + id, allow: []int{http.StatusOK}}
}

func createTicket(user int, draft string) request {
	return request{user: user, method: http.MethodPost, path: "/api/tickets", body: draft, allow: []int{http.StatusCreated}}
}

func placeOrder(user int, ticketID string) request {
	return request{user: user, method: http.MethodPost, path: "/api/orders", body: fmt.Sprintf(`{"ticketId":%q}`, ticketID),
		allow: []int{http.StatusCreated, http.StatusConflict}}
}

func cancelOrder(user int, id string) request {
	return request{user: user, method: http.MethodDelete, path: "/api/orders/" + id, allow: []int{http.StatusNoContent}}
}

// placeOrder is a request whose order is cancelled later.
func (w *workload) placeOrder(user int, ticketID string) request {
	r := placeOrder(user, ticketID)
	r.made = func(id string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.held = append(w.held, held{id: id, buyer: user})
	}
	return r
}

// takeHeld returns the oldest order that is not cancelled, for the caller alone to cancel.
func (w *workload) takeHeld() (h held, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.held) == 0 {
		return held{}, false
	}
	h, w.held = w.held[0], w.held[1:]
	return h, true
}
