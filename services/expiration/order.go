package expiration

import (
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// Order is an order as expiration has seen it.
type Order struct {
	ExpiresAt event.Time `json:"expiresAt"`
	// Ended reports that the order was cancelled or completed: its time does not matter any more.
	Ended bool `json:"ended,omitempty"`
}

// orderKind is how orders are followed.
func orderKind() replica.Kind[Order] {
	return replica.Kind[Order]{
		Name:     "order",
		Subjects: []event.Subject{event.SubjectOrderCreated, event.SubjectOrderCancelled, event.SubjectOrderCompleted},
		Decode:   decodeOrder,
	}
}

// decodeOrder reads any event of an order. Only the first carries the time.
func decodeOrder(subject event.Subject, data []byte) (replica.Change[Order], error) {
	switch subject {
	case event.SubjectOrderCreated:
		payload, err := event.Decode[event.OrderCreated](subject, data)
		return replica.Change[Order]{ID: payload.ID, Version: payload.Version, Whole: true,
			Apply: func(Order) Order { return Order{ExpiresAt: payload.ExpiresAt} }}, err
	case event.SubjectOrderCancelled:
		payload, err := event.Decode[event.OrderCancelled](subject, data)
		return replica.Change[Order]{ID: payload.ID, Version: payload.Version, Apply: end}, err
	default:
		payload, err := event.Decode[event.OrderCompleted](subject, data)
		return replica.Change[Order]{ID: payload.ID, Version: payload.Version, Apply: end}, err
	}
}

func end(order Order) Order {
	order.Ended = true
	return order
}

// follow gives an order a deadline, and settles it when the order ends. An order that ended before it was seen needs
// none.
func follow(turn replica.Turn[Order]) (event.ID, func(outbox.Entity[Deadline]) (Deadline, error)) {
	pending := Deadline{OrderID: turn.ID, At: turn.After.ExpiresAt, Status: Pending}
	return pending.ID(), func(deadline outbox.Entity[Deadline]) (Deadline, error) {
		d := deadline.State
		switch {
		case deadline.Version == event.None && !turn.After.Ended:
			return pending, nil
		case turn.After.Ended && d.Status == Pending:
			d.Status = Settled
			return d, nil
		}
		return d, outbox.ErrNoChange
	}
}
