package tickets

import (
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// OrderStatus is how an order stands.
type OrderStatus string

// The states of an order, in the words of the orders service.
const (
	OrderCreated   OrderStatus = event.OrderStatusCreated
	OrderCancelled OrderStatus = "cancelled"
	OrderComplete  OrderStatus = "complete"
)

// Order is an order as tickets has seen it.
type Order struct {
	Status OrderStatus     `json:"status"`
	Ticket event.TicketRef `json:"ticket"`
}

// orderKind is how orders are followed.
func orderKind() replica.Kind[Order] {
	return replica.Kind[Order]{
		Name:     "order",
		Subjects: []event.Subject{event.SubjectOrderCreated, event.SubjectOrderCancelled, event.SubjectOrderCompleted},
		Decode:   decodeOrder,
	}
}

// decodeOrder reads any event of an order.
func decodeOrder(subject event.Subject, data []byte) (replica.Change[Order], error) {
	switch subject {
	case event.SubjectOrderCreated:
		payload, err := event.Decode[event.OrderCreated](subject, data)
		return becomes(payload.ID, payload.Version, Order{OrderCreated, event.TicketRef{ID: payload.Ticket.ID}}), err
	case event.SubjectOrderCancelled:
		payload, err := event.Decode[event.OrderCancelled](subject, data)
		return becomes(payload.ID, payload.Version, Order{OrderCancelled, payload.Ticket}), err
	default:
		payload, err := event.Decode[event.OrderCompleted](subject, data)
		return becomes(payload.ID, payload.Version, Order{OrderComplete, payload.Ticket}), err
	}
}

// becomes is the change of an order to a state. All that tickets keeps of an order is in each of its events.
func becomes(id event.ID, version event.Version, state Order) replica.Change[Order] {
	return replica.Change[Order]{ID: id, Version: version, Whole: version == 0, Apply: func(Order) Order { return state }}
}

// follow makes the ticket of an order agree with the order as it stands.
func follow(turn replica.Turn[Order]) (event.ID, func(outbox.Entity[Ticket]) (Ticket, error)) {
	return turn.After.Ticket.ID, func(ticket outbox.Entity[Ticket]) (Ticket, error) {
		if ticket.Version == event.None { // tickets makes all tickets before anybody hears of them, so it will not come
			return ticket.State, replica.Hopeless(fmt.Errorf("there is no ticket %s", ticket.ID))
		}
		switch turn.After.Status {
		case OrderCancelled:
			return ticket.State.Release(turn.ID)
		case OrderComplete:
			return ticket.State.Sell(turn.ID)
		default:
			return ticket.State.Reserve(turn.ID)
		}
	}
}
