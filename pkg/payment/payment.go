// Package payment is the port to whoever moves the money. Adapters: testcards, which only keeps books, and stripe.
//
//	payments ──> Provider ──> Charge, Ask, Release
//
// A provider makes at most one charge for an order, whatever is asked of it and how often. So the caller need not know
// what became of a call that failed: it asks, or repeats it.
package payment

import (
	"context"

	"ticketing/pkg/event"
)

// Order is what is to be paid.
type Order struct {
	ID event.ID
	// Amount is in cents of Currency.
	Amount event.Price
	// ChargeID is the provider's id of the charge, if it is known. A provider may need it to find an old one.
	ChargeID string
}

// Currency is that of all amounts.
const Currency = "usd"

// Outcome is what is known of an order's charge. The zero Outcome is that of an order nobody tried to pay.
type Outcome struct {
	// ChargeID is the provider's id of the charge; empty if there is none.
	ChargeID string
	// Reason is why the last attempt failed, in words for the buyer; empty if none did.
	Reason string
}

// Charged reports whether the order is paid for.
func (o Outcome) Charged() bool { return o.ChargeID != "" }

// Public is what a page has to know to ask a buyer for a token.
type Public struct {
	// Provider is the adapter's name.
	Provider string `json:"provider"`
	// PublishableKey is for the provider's own script on the page; empty if it has none.
	PublishableKey string `json:"publishableKey,omitempty"`
	// Tokens are those that the provider knows in advance; none if they come from its script.
	Tokens []Token `json:"tokens,omitempty"`
}

// Token stands for a card.
type Token struct {
	Token   string `json:"token"`
	Meaning string `json:"meaning"`
}

// Provider moves money. All methods may be called concurrently, also by other processes for the same order. Any error
// means that the outcome is unknown. A method returns when ctx ends.
type Provider interface {
	// Charge tries to charge an order to the card that token stands for. An order that is charged already keeps that
	// charge, which is then the outcome. After Release no charge is made any more. A token that the provider does not
	// know is no error: its outcome has a Reason.
	Charge(ctx context.Context, order Order, token string) (Outcome, error)
	// Ask returns what is known of an order's charge. A Charge that is still under way may change that.
	Ask(ctx context.Context, order Order) (Outcome, error)
	// Release ends an order: nothing is charged any more, and a charge that was made is returned, once, however often
	// Release is called. refunded reports that there was one.
	Release(ctx context.Context, order Order) (refunded bool, err error)
	// Public returns what a page has to know.
	Public() Public
}
