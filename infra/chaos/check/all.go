package check

import (
	"slices"
	"time"
)

// Evidence is all that is known about a run, once nothing happens any more.
type Evidence struct {
	Tickets, Orders, Diary Books
	// Injected is the poison that was put on the bus, once for each attempt at it.
	Injected []Parked
	// History is what clients were answered.
	History []Op
}

// deciding is how long all histories together may take to be put into order.
const deciding = 5 * time.Minute

// All runs every check and returns what they found.
func All(e Evidence) []Finding {
	return slices.Concat(
		Settled(e),
		Answers(e.History, e.Tickets, e.Orders),
		HoldersInTime(e.History),
		Linearizable(e.History, deciding),
	)
}

// Settled runs the checks that fail while events are still on their way, and hold once they have arrived.
func Settled(e Evidence) []Finding {
	found := slices.Concat(
		Replicas("orders", e.Tickets, e.Orders),
		Replicas("diary", e.Tickets, e.Diary),
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
