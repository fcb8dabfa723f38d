package event

// ExpirationComplete is the payload of expiration:complete, a fact: the order's time is over. It has no
// version; it is merged by the order it names.
type ExpirationComplete struct {
	OrderID ID `json:"orderId"`
}

// Subject is expiration:complete.
func (ExpirationComplete) Subject() Subject { return SubjectExpirationComplete }

func (e *ExpirationComplete) fields(subject Subject) []field {
	if subject != SubjectExpirationComplete {
		return nil
	}
	return []field{required("orderId", &e.OrderID, readID)}
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

func (p *PaymentCreated) fields(subject Subject) []field {
	if subject != SubjectPaymentCreated {
		return nil
	}
	return []field{
		required("id", &p.ID, readID),
		required("orderId", &p.OrderID, readID),
		required("stripeId", &p.StripeID, readText),
	}
}
