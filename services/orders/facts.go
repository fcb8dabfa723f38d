package orders

import (
	"errors"
	"fmt"
	"log/slog"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// Expiration is the fact that an order's time is over. It says no more than that.
type Expiration struct{}

// expirationKind is how expirations are followed: each by the order it names.
func expirationKind() replica.Kind[Expiration] {
	return replica.Kind[Expiration]{
		Name:     "expiration",
		Subjects: []event.Subject{event.SubjectExpirationComplete},
		Decode: func(subject event.Subject, data []byte) (replica.Change[Expiration], error) {
			payload, err := event.Decode[event.ExpirationComplete](subject, data)
			return fact(payload.OrderID, Expiration{}), err
		},
	}
}

// Payment is the fact that an order was paid.
type Payment struct {
	OrderID  event.ID `json:"orderId"`
	StripeID string   `json:"stripeId"`
}

// paymentKind is how payments are followed.
func paymentKind() replica.Kind[Payment] {
	return replica.Kind[Payment]{
		Name:     "payment",
		Subjects: []event.Subject{event.SubjectPaymentCreated},
		Decode: func(subject event.Subject, data []byte) (replica.Change[Payment], error) {
			payload, err := event.Decode[event.PaymentCreated](subject, data)
			return fact(payload.ID, Payment{payload.OrderID, payload.StripeID}), err
		},
	}
}

// fact is a fact as an entity of one version (docs/contract.md, Verdicts).
func fact[T any](id event.ID, state T) replica.Change[T] {
	return replica.Change[T]{ID: id, Version: 0, Whole: true, Apply: func(T) T { return state }}
}

// expire cancels the order whose time is over.
func expire(turn replica.Turn[Expiration]) (event.ID, func(outbox.Entity[Order]) (Order, error)) {
	return turn.ID, func(order outbox.Entity[Order]) (Order, error) {
		if err := known(order); err != nil {
			return order.State, err
		}
		return order.State.Expire()
	}
}

// cashier completes the orders that are paid.
type cashier struct{ log *slog.Logger }

func (c cashier) pay(turn replica.Turn[Payment]) (event.ID, func(outbox.Entity[Order]) (Order, error)) {
	return turn.After.OrderID, func(order outbox.Entity[Order]) (Order, error) {
		if err := known(order); err != nil {
			return order.State, err
		}
		paid, err := order.State.Pay(turn.ID)
		switch {
		case errors.Is(err, errPaid):
			return order.State, replica.Hopeless(err)
		case errors.Is(err, errCancelled):
			c.log.Warn("a payment came for an order that was cancelled; it has to be refunded",
				"order", order.ID, "payment", turn.ID, "stripeId", turn.After.StripeID)
			return order.State, outbox.ErrNoChange
		}
		return paid, err
	}
}

// known refuses a fact about an order that does not exist: this service makes all orders before anybody hears of them,
// so it will not come.
func known(order outbox.Entity[Order]) error {
	if order.Version == event.None {
		return replica.Hopeless(fmt.Errorf("there is no order %s", order.ID))
	}
	return nil
}
