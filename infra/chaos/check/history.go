package check

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind is what a client asked for.
type Kind string

// The kinds of requests.
const (
	Create  Kind = "create"  // a ticket
	Edit    Kind = "edit"    // a ticket, always to a content that no other request has
	Read    Kind = "read"    // a ticket
	Reserve Kind = "reserve" // an order for a ticket
	Cancel  Kind = "cancel"  // an order of a ticket
	Pay     Kind = "pay"     // an order of a ticket
)

// Op is one request and its answer, as its client saw them.
type Op struct {
	Client int    `json:"client"`
	Kind   Kind   `json:"kind"`
	Ticket string `json:"ticket"` // for Create without an answer: empty
	Order  string `json:"order,omitempty"`
	// Content is what was written or read; Version what was answered, for Reserve the ticket's.
	Content string `json:"content,omitempty"`
	Version int64  `json:"version"`
	// Status is the answer's; 0 where there was none.
	Status int `json:"status"`
	// Call and Return are when it was sent and answered, since the beginning of the history.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
}

// Done says that the answer was 2xx.
func (o Op) Done() bool { return o.Status >= 200 && o.Status < 300 }

// Unknown says that nobody can tell from the answer whether it was done: there was none, or it was 5xx.
func (o Op) Unknown() bool { return o.Status == 0 || o.Status >= 500 }

// Answers compares what clients were told to be done with what the owners' stores hold.
func Answers(history []Op, tickets, orders Books) []Finding {
	var found []Finding
	report := func(id, format string, args ...any) {
		found = append(found, Finding{CheckAnswers, id, fmt.Sprintf(format, args...)})
	}
	last := lastAnswers(history)
	for _, id := range slices.Sorted(maps.Keys(last)) {
		op := last[id]
		switch got, ok := tickets.Own[id]; {
		case !ok:
			report("ticket "+id, "is gone; version %d was answered", op.Version)
		case got.Version < op.Version:
			report("ticket "+id, "stands at version %d; %d was answered", got.Version, op.Version)
		case got.Version == op.Version && got.Content != op.Content:
			report("ticket "+id, "is %s at version %d; %s was answered", got.Content, got.Version, op.Content)
		}
	}
	cancelled := cancels(history)
	for _, op := range history {
		if op.Kind != Reserve || !op.Done() {
			continue
		}
		got, ok := orders.Own[op.Order]
		done, asked := cancelled[op.Order]
		switch {
		case !ok:
			report("order "+op.Order, "is gone")
		case got.Holds == "" && !asked:
			report("order "+op.Order, "is cancelled, which nobody asked for")
		case got.Holds != "" && done:
			report("order "+op.Order, "holds its ticket; its cancellation was answered")
		case got.Holds != "" && got.Holds != op.Ticket:
			report("order "+op.Order, "holds ticket %s; it was for %s", got.Holds, op.Ticket)
		}
	}
	return found
}

// lastAnswers is the answer with the highest version of each ticket.
func lastAnswers(history []Op) map[string]Op {
	last := map[string]Op{}
	for _, op := range history {
		if !op.Done() || (op.Kind != Create && op.Kind != Edit && op.Kind != Read) {
			continue
		}
		if before, ok := last[op.Ticket]; !ok || op.Version > before.Version {
			last[op.Ticket] = op
		}
	}
	return last
}

// cancels is the orders whose cancellation was asked for, and whether any request for it was answered with 2xx.
func cancels(history []Op) map[string]bool {
	asked := map[string]bool{}
	for _, op := range history {
		if op.Kind == Cancel {
			asked[op.Order] = asked[op.Order] || op.Done()
		}
	}
	return asked
}

// HoldersInTime finds tickets that two orders held at the same time, whatever became of them: an order holds
// its ticket at least from the answer to its creation until its cancellation was first asked for.
func HoldersInTime(history []Op) []Finding {
	ends := map[string]time.Duration{}
	for _, op := range history {
		if end, ok := ends[op.Order]; op.Kind == Cancel && (!ok || op.Call < end) {
			ends[op.Order] = op.Call
		}
	}
	byTicket := map[string][]holding{}
	for _, op := range history {
		if op.Kind != Reserve || !op.Done() {
			continue
		}
		end, ok := ends[op.Order]
		if !ok {
			end = forever
		}
		byTicket[op.Ticket] = append(byTicket[op.Ticket], holding{op.Order, op.Return, end})
	}
	var found []Finding
	for _, ticket := range slices.Sorted(maps.Keys(byTicket)) {
		holdings := byTicket[ticket]
		slices.SortFunc(holdings, func(a, b holding) int { return int(a.from - b.from) })
		for i := 1; i < len(holdings); i++ {
			if before, next := holdings[i-1], holdings[i]; before.until > next.from {
				found = append(found, Finding{CheckHolders, ticket,
					fmt.Sprintf("order %s held it until %v at least, order %s from %v", before.order, before.until, next.order, next.from)})
			}
		}
	}
	return found
}

// holding is the time in which an order is known to have held its ticket.
type holding struct {
	order       string
	from, until time.Duration
}

// forever is later than any history.
const forever = time.Duration(1<<63 - 1)
