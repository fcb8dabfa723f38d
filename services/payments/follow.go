package payments

import (
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

// Order is an order as payments has seen it.
type Order struct {
	Status    OrderStatus `json:"status"`
	UserID    event.ID    `json:"userId"`
	Price     event.Price `json:"price"`
	ExpiresAt event.Time  `json:"expiresAt"`
}

// orderKind is how orders are followed.
func orderKind() replica.Kind[Order] {
	return replica.Kind[Order]{
		Name:     "order",
		Subjects: []event.Subject{event.SubjectOrderCreated, event.SubjectOrderCancelled, event.SubjectOrderCompleted},
		Decode:   decodeOrder,
	}
}

// decodeOrder reads any event of an order. Only the first carries all of it.
func decodeOrder(subject event.Subject, data []byte) (replica.Change[Order], error) {
	switch subject {
	case event.SubjectOrderCreated:
		payload, err := event.Decode[event.OrderCreated](subject, data)
		created := Order{OrderCreated, payload.UserID, payload.Ticket.Price, payload.ExpiresAt}
		return replica.Change[Order]{ID: payload.ID, Version: payload.Version, Whole: true, Apply: func(Order) Order { return created }}, err
	case event.SubjectOrderCancelled:
		payload, err := event.Decode[event.OrderCancelled](subject, data)
		return becomes(payload.ID, payload.Version, OrderCancelled), err
	default:
		payload, err := event.Decode[event.OrderCompleted](subject, data)
		return becomes(payload.ID, payload.Version, OrderComplete), err
	}
}

func becomes(id event.ID, version event.Version, status OrderStatus) replica.Change[Order] {
	return replica.Change[Order]{ID: id, Version: version, Apply: func(order Order) Order {
		order.Status = status
		return order
	}}
}

// followOrder ends the payment of an order that has ended. It leaves a mark also if nobody has tried to pay: who was
// about to, by the order as it was seen before, must find it.
func followOrder(turn replica.Turn[Order]) (event.ID, func(outbox.Entity[Payment]) (Payment, error)) {
	return turn.ID, func(p outbox.Entity[Payment]) (Payment, error) {
		switch turn.After.Status {
		case OrderCancelled:
			return p.State.Cancel()
		case OrderComplete:
			return p.State.Complete()
		default:
			return p.State, outbox.ErrNoChange
		}
	}
}

// Fact is the fact that an order was paid, by this service or by another implementation of it.
type Fact struct {
	OrderID event.ID `json:"orderId"`
}

// paymentKind is how payments are followed. Other implementations do not say on the bus that an order is complete.
func paymentKind() replica.Kind[Fact] {
	return replica.Kind[Fact]{
		Name:     "payment",
		Subjects: []event.Subject{event.SubjectPaymentCreated},
		Decode: func(subject event.Subject, data []byte) (replica.Change[Fact], error) {
			payload, err := event.Decode[event.PaymentCreated](subject, data)
			return replica.Change[Fact]{ID: payload.ID, Version: 0, Whole: true,
				Apply: func(Fact) Fact { return Fact{payload.OrderID} }}, err
		},
	}
}

// followPayment ends the payment of an order that another payment has paid. It passes over its own.
func followPayment(turn replica.Turn[Fact]) (event.ID, func(outbox.Entity[Payment]) (Payment, error)) {
	return turn.After.OrderID, func(p outbox.Entity[Payment]) (Payment, error) {
		if turn.ID == p.ID {
			return p.State, outbox.ErrNoChange
		}
		return p.State.PaidElsewhere()
	}
}
