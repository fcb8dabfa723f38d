package payments

import (
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
	"ticketing/pkg/payment"
)

// Status of a payment.
type Status string

// The states a payment goes through. Each is written before what it says is done, and no state is guessed: an attempt
// whose outcome is unknown stays so until the provider has been asked.
//
//	Charging(n) ──> Charged ────> Refunding ──> Refunded    the order was cancelled
//	   │  ^  └────> Unknown ──┐       │   ^
//	   v  │ n+1               │       └───│───> Closed      nothing had been charged
//	Declined <────────────────┘           │
//	   └──────────────────────────────────┘
const (
	Charging  Status = "charging"
	Unknown   Status = "unknown"
	Charged   Status = "charged"
	Declined  Status = "declined"
	Refunding Status = "refunding"
	Refunded  Status = "refunded"
	Closed    Status = "closed"
)

// Payment is all that was done to pay one order. It has the order's id.
type Payment struct {
	Status Status `json:"status"`
	// Amount is in cents.
	Amount int64 `json:"amount"`
	// Attempt counts the attempts, from 1. AttemptID names the last one, so that its maker knows it again.
	Attempt   int      `json:"attempt"`
	AttemptID event.ID `json:"attemptId,omitempty"`
	// Since is when the last attempt began.
	Since event.Time `json:"since"`
	// Reason is why a payment is not Charged, in words for the buyer.
	Reason string `json:"reason,omitempty"`
	// ChargeID is the provider's.
	ChargeID string `json:"chargeId,omitempty"`
}

// Open reports whether something is still to be found out or done at the provider.
func (p Payment) Open() bool {
	return p.Status == Charging || p.Status == Unknown || p.Status == Refunding
}

// order is the payment's order as the provider knows it.
func order(p outbox.Entity[Payment]) payment.Order {
	return payment.Order{ID: p.ID, Amount: event.Price(p.State.Amount), ChargeID: p.State.ChargeID}
}

// Begin begins an attempt, the first one or one after a decline. It returns outbox.ErrNoChange while another attempt is
// open, and once the order is paid; a Conflict fault once the order is over.
func (p Payment) Begin(amount event.Price, attempt event.ID, now time.Time) (Payment, error) {
	switch p.Status {
	case "", Declined:
		return Payment{Status: Charging, Amount: int64(amount), Attempt: p.Attempt + 1, AttemptID: attempt, Since: event.At(now)}, nil
	case Charging, Unknown, Charged:
		return p, outbox.ErrNoChange
	}
	return p, p.over()
}

// over is the answer to who wants to pay for an order that is over.
func (p Payment) over() error {
	if p.Reason == "" {
		return fault.Field(fault.Conflict, "orderId", "this order is over")
	}
	return fault.Field(fault.Conflict, "orderId", p.Reason)
}

// Doubt notes that the answer to an attempt did not come.
func (p Payment) Doubt(attempt event.ID) (Payment, error) {
	if p.Status != Charging || p.AttemptID != attempt {
		return p, outbox.ErrNoChange
	}
	p.Status = Unknown
	return p, nil
}

// Settle notes the outcome of an attempt, if it is still open. A charge is noted also after a decline: it was only late.
func (p Payment) Settle(attempt event.ID, outcome payment.Outcome) (Payment, error) {
	late := p.Status == Declined && outcome.Charged()
	if p.Status != Charging && p.Status != Unknown && !late || p.AttemptID != attempt {
		return p, outbox.ErrNoChange
	}
	p.Status, p.ChargeID, p.Reason = Declined, outcome.ChargeID, outcome.Reason
	if outcome.Charged() {
		p.Status, p.Reason = Charged, ""
	}
	return p, nil
}

// Words for the buyer of an order that cannot be paid any more.
const (
	isCancelled = "this order is cancelled or its time is over"
	isPaid      = "this order is paid"
)

// Cancel notes that the order is cancelled: nothing may be charged any more, and what was has to be returned.
func (p Payment) Cancel() (Payment, error) { return p.end(isCancelled, true) }

// Complete notes that the order is complete. Nobody begins to pay for it any more. What has begun is left as it is: it
// may be what has completed the order, though a store that was restored does not know.
func (p Payment) Complete() (Payment, error) {
	if p.Status != "" {
		return p, outbox.ErrNoChange
	}
	p.Status, p.Reason = Closed, isPaid
	return p, nil
}

// PaidElsewhere notes that another payment has paid the order: nothing more may be charged.
func (p Payment) PaidElsewhere() (Payment, error) { return p.end(isPaid, false) }

// end ends a payment that has not ended; one that is Charged only if the charge has to be returned too. Who never tried
// gets nothing back.
func (p Payment) end(reason string, charged bool) (Payment, error) {
	switch {
	case p.Status == "":
		p.Status, p.Reason = Closed, reason
	case p.Status == Charging, p.Status == Unknown, p.Status == Declined, p.Status == Charged && charged:
		p.Status, p.Reason = Refunding, reason
	default:
		return p, outbox.ErrNoChange
	}
	return p, nil
}

// Release notes that the provider charges nothing any more, and whether it has returned a charge.
func (p Payment) Release(refunded bool) (Payment, error) {
	if p.Status != Refunding {
		return p, outbox.ErrNoChange
	}
	p.Status = Closed
	if refunded {
		p.Status = Refunded
	}
	return p, nil
}

// The value by which open payments are found.
const (
	openIndex = "open"
	yes       = "yes"
)

// kind is how payments are kept.
func kind() outbox.Kind[Payment] { return outbox.Kind[Payment]{Index: index, Announce: announce} }

func index(p outbox.Entity[Payment]) map[string]string {
	if !p.State.Open() {
		return nil
	}
	return map[string]string{openIndex: yes}
}

// announce returns the fact that an order is paid. Nobody else has to know of a payment's other versions.
func announce(p outbox.Entity[Payment]) (event.Subject, []byte, error) {
	if p.State.Status != Charged {
		return "", nil, nil
	}
	if p.State.ChargeID == "" {
		return "", nil, fmt.Errorf("payment %s is charged and has no charge", p.ID)
	}
	data, err := event.Encode(event.PaymentCreated{ID: p.ID, OrderID: p.ID, StripeID: p.State.ChargeID})
	return event.SubjectPaymentCreated, data, err
}
