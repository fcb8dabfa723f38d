package tickets

import (
	"fmt"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// Claim is an order that will hold the ticket once the order that holds it is known to be cancelled. At its source that
// has happened already: the orders service gives a ticket to one order at a time, but its events overtake each other.
type Claim struct {
	OrderID event.ID `json:"orderId"`
	// Paid reports that the order is complete.
	Paid bool `json:"paid,omitempty"`
}

// Reserve gives the ticket to a new order, or lets the order wait, silently, if another one holds the ticket. Nobody
// waits for a ticket that is sold. For an order that holds it or waits it returns outbox.ErrNoChange.
func (t Ticket) Reserve(order event.ID) (Ticket, error) {
	if t.OrderID == order || t.Sold || t.waits(order) >= 0 {
		return t, outbox.ErrNoChange
	}
	return t.claim(Claim{OrderID: order})
}

// Sell sells the ticket to the order that holds it. It does so silently, because others know that the order holds the
// ticket. An order that does not hold it claims it first. For an order that has it already it returns
// outbox.ErrNoChange. A ticket that is sold to another order is refused without hope: a person has to decide.
func (t Ticket) Sell(order event.ID) (Ticket, error) {
	waits := t.waits(order)
	switch {
	case t.OrderID == order && t.Sold, waits >= 0 && t.Waiting[waits].Paid:
		return t, outbox.ErrNoChange
	case t.OrderID == order:
		t.Sold, t.Waiting = true, nil
		return t, outbox.ErrSilent
	case t.Sold:
		return t, replica.Hopeless(fmt.Errorf("the ticket is sold to order %s", t.OrderID))
	case waits >= 0:
		t.Waiting = slices.Clone(t.Waiting)
		t.Waiting[waits].Paid = true
		return t, outbox.ErrSilent
	}
	return t.claim(Claim{OrderID: order, Paid: true})
}

// Release takes the ticket from an order that is cancelled and gives it to the order that has waited longest. One that
// waits leaves silently. For an order that neither holds the ticket nor waits it returns outbox.ErrNoChange.
func (t Ticket) Release(order event.ID) (Ticket, error) {
	if waits := t.waits(order); waits >= 0 {
		t.Waiting = slices.Delete(slices.Clone(t.Waiting), waits, waits+1)
		return t, outbox.ErrSilent
	}
	if t.OrderID != order {
		return t, outbox.ErrNoChange
	}
	t.OrderID, t.Sold = "", false
	if len(t.Waiting) == 0 {
		return t, nil
	}
	next := t.Waiting[0]
	t.Waiting = t.Waiting[1:]
	return t.claim(next)
}

// claim gives a free ticket to an order; otherwise the order waits.
func (t Ticket) claim(c Claim) (Ticket, error) {
	if t.OrderID != "" {
		t.Waiting = append(slices.Clip(t.Waiting), c)
		return t, outbox.ErrSilent
	}
	t.OrderID, t.Sold = c.OrderID, c.Paid
	if t.Sold {
		t.Waiting = nil
	}
	return t, nil
}

// waits returns the place of an order among those that wait; negative if it does not.
func (t Ticket) waits(order event.ID) int {
	return slices.IndexFunc(t.Waiting, func(c Claim) bool { return c.OrderID == order })
}
