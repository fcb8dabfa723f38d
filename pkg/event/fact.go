package event

import "github.com/tidwall/gjson"

// ExpirationComplete is the payload of expiration:complete, a fact: the order's time is over. It has no version and is
// merged by the order it names.
type ExpirationComplete struct {
	OrderID ID `json:"orderId"`
}

// Subject is expiration:complete.
func (ExpirationComplete) Subject() Subject { return SubjectExpirationComplete }

var _ described[ExpirationComplete] = (*ExpirationComplete)(nil)

func (*ExpirationComplete) fields() fields[ExpirationComplete] {
	return fields[ExpirationComplete]{
		{name: "orderId", read: func(v gjson.Result, e *ExpirationComplete) error { return readID(v, &e.OrderID) }},
	}
}

// PaymentCreated is the payload of payment:created, a fact: the order was paid.
type PaymentCreated struct {
	ID      ID `json:"id"`
	OrderID ID `json:"orderId"`
	// StripeID is the payment provider's charge id, not empty.
	StripeID string `json:"stripeId"`
}

// Subject is payment:created.
func (PaymentCreated) Subject() Subject { return SubjectPaymentCreated }

var _ described[PaymentCreated] = (*PaymentCreated)(nil)

func (*PaymentCreated) fields() fields[PaymentCreated] {
	return fields[PaymentCreated]{
		{name: "id", read: func(v gjson.Result, p *PaymentCreated) error { return readID(v, &p.ID) }},
		{name: "orderId", read: func(v gjson.Result, p *PaymentCreated) error { return readID(v, &p.OrderID) }},
		{name: "stripeId", read: func(v gjson.Result, p *PaymentCreated) error { return readText(v, &p.StripeID) }},
	}
}
