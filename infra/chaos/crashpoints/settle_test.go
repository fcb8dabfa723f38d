package crashpoints

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ticketing/infra/chaos/check"
)

// evidence reads the books of all services.
func (w *world) evidence() (check.Evidence, error) {
	e := check.Evidence{History: w.load.History()}
	for role, books := range map[string]*check.Books{roleTickets: &e.Tickets, roleOrders: &e.Orders, roleDiary: &e.Diary} {
		if err := w.booksOf(role, books); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (w *world) booksOf(role string, books *check.Books) error {
	status, body, err := w.ask(http.MethodGet, w.members[role], "/books")
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(body, books)
	}
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("books of %s: %d %.200s, %w", role, status, body, err)
	}
	return nil
}

// quiet returns how many events were published, or an error that says what is still on its way: an event that a group
// has not acknowledged, or that a service has in hand. One that is acknowledged before its time is in hand.
func (w *world) quiet() (published uint64, err error) {
	channels, err := w.books.Channels(w.t.Context())
	if err != nil {
		return 0, err
	}
	for _, channel := range channels {
		published += channel.LastSeq
		for _, durable := range channel.Durables {
			if lag := channel.Lag(durable); lag > 0 {
				return 0, fmt.Errorf("%d events of %s have not come to %s", lag, channel.Name, durable.Group)
			}
		}
	}
	for _, m := range w.members {
		status, body, err := w.ask(http.MethodGet, m, "/hand")
		if err != nil || status != http.StatusOK || string(body) != "0" {
			return 0, fmt.Errorf("%s has events in hand: %d %.200s, %w", m.role, status, body, err)
		}
	}
	return published, nil
}

// final returns the books as they stay without load. No event was on its way before they were read, none was
// published meanwhile, and no outbox has one.
func (w *world) final() (check.Evidence, error) {
	before, err := w.quiet()
	if err != nil {
		return check.Evidence{}, err
	}
	e, err := w.evidence()
	if err != nil {
		return e, err
	}
	if waiting := e.Tickets.Waiting + e.Orders.Waiting + e.Diary.Waiting; waiting > 0 {
		return e, fmt.Errorf("%d events wait in outboxes", waiting)
	}
	after, err := w.quiet()
	if err == nil && after != before {
		err = fmt.Errorf("%d events were published meanwhile", after-before)
	}
	return e, err
}

// settled waits until nothing is on its way and returns what is wrong then, which is wrong for ever.
func (w *world) settled() []check.Finding {
	w.t.Helper()
	var reason error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var e check.Evidence
		if e, reason = w.final(); reason == nil {
			return check.Settled(e)
		}
	}
	w.t.Fatalf("not settled: %.3000v", reason)
	return nil
}

func (w *world) mustSettle() {
	w.t.Helper()
	if found := w.settled(); len(found) > 0 {
		w.t.Fatalf("all events have come, but: %.3000s", fmt.Sprint(found))
	}
}
