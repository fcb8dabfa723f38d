package check

import (
	"slices"
	"time"
)

// Evidence is all that is known about a run, once nothing happens any more.
type Evidence struct {
	Tickets, Orders, Diary Books
	// Payments and Expiration are those of a system that has them, and Money the cents that its provider keeps, by order.
	Payments, Expiration Books
	Money                map[string]int64
	// Injected is the poison that was put on the bus, once for each attempt at it.
	Injected []Parked
	// History is what clients were answered.
	History []Op
	// Began is when the history began. If it is zero, no order was left to expire.
	Began time.Time
}

// deciding is how long all histories together may take to be put into order.
const deciding = 5 * time.Minute

// All runs every check but Paid and returns what they found.
func All(e Evidence) []Finding {
	history := e.History
	if !e.Began.IsZero() {
		history = withUntold(history, e.Orders, e.Began)
	}
	return slices.Concat(
		Settled(e),
		Answers(history, e.Tickets, e.Orders),
		HoldersInTime(history),
		Linearizable(history, deciding),
	)
}

// Paid runs the checks of a system that has payments and expiration, once all orders have been paid or their time is
// over and no event is on its way.
func Paid(e Evidence) []Finding {
	found := slices.Concat(Ended(e.Orders), Money(e.Orders, e.Money))
	for _, s := range []struct {
		name  string
		books Books
	}{{"payments", e.Payments}, {"expiration", e.Expiration}} {
		found = slices.Concat(found, Replicas(s.name, e.Orders, s.books), ParkedExactly(s.name, nil, s.books), Outbox(s.name, s.books))
	}
	return found
}

// Settled runs the checks that fail while events are still on their way, and hold once they have arrived.
func Settled(e Evidence) []Finding {
	found := slices.Concat(
		Replicas("orders", e.Tickets, e.Orders),
		Replicas("diary", e.Tickets, e.Diary),
		Replicas("tickets", e.Orders, e.Tickets),
		Logs("diary", e.Diary),
		Reactions("diary", e.Tickets, e.Diary),
		Holders(e.Orders),
		Seats(e.Tickets, e.Orders),
		ParkedExactly("orders", e.Injected, e.Orders),
		ParkedExactly("diary", e.Injected, e.Diary),
		ParkedExactly("tickets", nil, e.Tickets),
	)
	for _, s := range []struct {
		name  string
		books Books
	}{{"tickets", e.Tickets}, {"orders", e.Orders}, {"diary", e.Diary}} {
		found = append(found, Outbox(s.name, s.books)...)
	}
	return found
}
