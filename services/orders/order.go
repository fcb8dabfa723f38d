package orders

import (
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
)

// Status of an order.
type Status string

// The states an order goes through, in the Node version's words. That has awaiting:payment too, which it never sets.
//
//	Created ──> Complete
//	   └──────> Cancelled
const (
	// Created: it holds its ticket until it expires.
	Created Status = event.OrderStatusCreated
	// Cancelled: the ticket is free again, by the buyer's wish or because the order has expired.
	Cancelled Status = "cancelled"
	// Complete: it is paid, and the ticket is sold.
	Complete Status = "complete"
)

// Order is one user's claim on one ticket.
type Order struct {
	UserID    event.ID   `json:"userId"`
	Status    Status     `json:"status"`
	ExpiresAt event.Time `json:"expiresAt"`
	// Ticket is what was reserved, as it was at that moment: later changes of the ticket do not reach the order.
	Ticket Reserved `json:"ticket"`
	// PaymentID names the payment of a complete order.
	PaymentID event.ID `json:"paymentId,omitempty"`
}

// Reserved is the ticket of an order, at the version that was reserved.
type Reserved struct {
	ID      event.ID      `json:"id"`
	Title   string        `json:"title"`
	Price   event.Price   `json:"price"`
	Version event.Version `json:"version"`
}

// Reserve makes an order that holds the ticket until now + window. That no other order holds it is not
// decided here but by the store: live orders have the ticket's id as their unique key.
func Reserve(user event.ID, ticket Reserved, now time.Time, window time.Duration) Order {
	return Order{UserID: user, Status: Created, ExpiresAt: event.At(now.Add(window)), Ticket: ticket}
}

// AsCreated is the order as it was at version 0.
func (o Order) AsCreated() Order {
	o.Status, o.PaymentID = Created, ""
	return o
}

// Cancel gives the ticket back. Only the buyer may, and only before the order is paid: then it returns a Conflict
// fault. For an order that is cancelled already it returns outbox.ErrNoChange.
func (o Order) Cancel(user event.ID) (Order, error) {
	if err := o.CheckOwner(user); err != nil {
		return o, err
	}
	if o.Status == Complete {
		return o, fault.New(fault.Conflict, "this order is paid and cannot be cancelled")
	}
	return o.Expire()
}

// Expire gives the ticket back because the order's time is over. An order that is paid or cancelled stays as it is: it
// returns outbox.ErrNoChange.
func (o Order) Expire() (Order, error) {
	if o.Status != Created {
		return o, outbox.ErrNoChange
	}
	o.Status = Cancelled
	return o, nil
}

var (
	// errCancelled: an order was paid that had been cancelled. The payments service gives the money back.
	errCancelled = errors.New("the order was cancelled before it was paid")
	// errPaid: an order was paid by two payments. No service gives that money back: a person has to.
	errPaid = errors.New("the order was paid before")
)

// Pay sells the ticket. An order that was cancelled first stays cancelled: it returns errCancelled. For the payment that
// the order knows it returns outbox.ErrNoChange, for another one errPaid.
func (o Order) Pay(payment event.ID) (Order, error) {
	switch {
	case o.Status == Cancelled:
		return o, errCancelled
	case o.PaymentID == payment:
		return o, outbox.ErrNoChange
	case o.Status == Complete:
		return o, fmt.Errorf("%w, by payment %s", errPaid, o.PaymentID)
	}
	o.Status, o.PaymentID = Complete, payment
	return o, nil
}

// CheckOwner is a Forbidden fault unless the order is the user's own.
func (o Order) CheckOwner(user event.ID) error {
	if o.UserID != user {
		return fault.New(fault.Forbidden, "this order belongs to somebody else")
	}
	return nil
}

// kind is how orders are kept.
func kind() outbox.Kind[Order] {
	return outbox.Kind[Order]{Key: key, Index: index, Announce: announce}
}

// key lets one order at a time hold a ticket. A cancelled order takes its own id, which frees the ticket in the very
// write that cancels. A complete one keeps it for good.
func key(order outbox.Entity[Order]) string {
	if order.State.Status == Cancelled {
		return string(order.ID)
	}
	return "ticket/" + string(order.State.Ticket.ID)
}

const userIndex = "user"

func index(order outbox.Entity[Order]) map[string]string {
	return map[string]string{userIndex: string(order.State.UserID)}
}

// announce is the event that announces an order at its version.
func announce(order outbox.Entity[Order]) (event.Subject, []byte, error) {
	o := order.State
	switch o.Status {
	case Created:
		data, err := event.Encode(event.OrderCreated{
			ID: order.ID, Version: order.Version, Status: event.OrderStatusCreated, UserID: o.UserID,
			ExpiresAt: o.ExpiresAt, Ticket: event.OrderTicket{ID: o.Ticket.ID, Price: o.Ticket.Price},
		})
		return event.SubjectOrderCreated, data, err
	case Cancelled:
		data, err := event.Encode(event.OrderCancelled{
			ID: order.ID, Version: order.Version, Ticket: event.TicketRef{ID: o.Ticket.ID},
		})
		return event.SubjectOrderCancelled, data, err
	case Complete:
		data, err := event.Encode(event.OrderCompleted{
			ID: order.ID, Version: order.Version, Ticket: event.TicketRef{ID: o.Ticket.ID},
		})
		return event.SubjectOrderCompleted, data, err
	}
	return "", nil, fmt.Errorf("no event tells of status %q", o.Status)
}
