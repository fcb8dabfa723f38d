// Package testcards is a payment provider that moves no money: it keeps books of what it would have charged, in a store.
// So they outlive a crash, and several instances share them. Its tokens stand for cards that fail in known ways.
package testcards

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/store"
)

// Name is the adapter's.
const Name = "test"

// The tokens that it knows.
const (
	Visa     = "tok_visa"
	Declined = "tok_chargeDeclined"
	Timeout  = "tok_timeout"
	Lost     = "tok_lost"
)

// Collection is the collection of its books.
const Collection = "test-charges"

// lateAnswer is how late the answer for Timeout is: later than anybody waits.
const lateAnswer = 30 * time.Second

var _ payment.Provider = (*Provider)(nil)

// Provider implements payment.Provider.
type Provider struct{ books store.Collection }

// Account is what the books say of an order.
type Account struct {
	// Cents is what was charged.
	Cents    int64  `json:"cents,omitempty"`
	ChargeID string `json:"chargeId,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Released reports that nothing is charged any more, Refunded that a charge was returned.
	Released bool `json:"released,omitempty"`
	Refunded bool `json:"refunded,omitempty"`
}

// Open opens the books in a service's store. It returns store.ErrUnavailable if the store cannot be reached.
func Open(ctx context.Context, db store.Database) (*Provider, error) {
	books, err := db.Collection(ctx, store.Spec{Name: Collection})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", Collection, err)
	}
	return &Provider{books}, nil
}

// Charge implements payment.Provider.
func (p *Provider) Charge(ctx context.Context, order payment.Order, token string) (payment.Outcome, error) {
	account, err := p.change(ctx, order, func(a *Account) {
		switch {
		case a.ChargeID != "":
		case a.Released:
			a.Reason = "the order is over"
		case token == Visa, token == Timeout, token == Lost:
			a.Cents, a.ChargeID, a.Reason = int64(order.Amount), "test_"+string(order.ID), ""
		case token == Declined:
			a.Reason = "the card was declined"
		default:
			a.Reason = "there is no such card"
		}
	})
	if err != nil {
		return payment.Outcome{}, err
	}
	switch token {
	case Timeout:
		select {
		case <-ctx.Done():
			return payment.Outcome{}, fmt.Errorf("charge order %s: %w", order.ID, ctx.Err())
		case <-time.After(lateAnswer):
		}
	case Lost:
		return payment.Outcome{}, fmt.Errorf("charge order %s: the answer was lost", order.ID)
	}
	return account.outcome(), nil
}

// Ask implements payment.Provider.
func (p *Provider) Ask(ctx context.Context, order payment.Order) (payment.Outcome, error) {
	account, _, err := p.read(ctx, order.ID)
	return account.outcome(), err
}

// Release implements payment.Provider.
func (p *Provider) Release(ctx context.Context, order payment.Order) (refunded bool, err error) {
	account, err := p.change(ctx, order, func(a *Account) {
		a.Released, a.Refunded = true, a.ChargeID != ""
	})
	return account.Refunded, err
}

// Public implements payment.Provider.
func (*Provider) Public() payment.Public {
	return payment.Public{Provider: Name, Tokens: []payment.Token{
		{Token: Visa, Meaning: "a card that pays"},
		{Token: Declined, Meaning: "a card that is declined"},
		{Token: Timeout, Meaning: "a card that pays, but the answer is late"},
		{Token: Lost, Meaning: "a card that pays, but the answer is lost"},
	}}
}

func (a Account) outcome() payment.Outcome {
	if a.Refunded {
		return payment.Outcome{Reason: "the money was returned"}
	}
	return payment.Outcome{ChargeID: a.ChargeID, Reason: a.Reason}
}

func (p *Provider) read(ctx context.Context, order event.ID) (account Account, revision int64, err error) {
	record, err := p.books.Get(ctx, string(order))
	if errors.Is(err, store.ErrNotFound) {
		return account, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(record.State, &account)
	}
	if err != nil {
		return account, 0, fmt.Errorf("read the books of order %s: %w", order, err)
	}
	return account, record.Revision, nil
}

// change writes an account anew, again if another writer was first.
func (p *Provider) change(ctx context.Context, order payment.Order, rule func(*Account)) (Account, error) {
	for {
		account, revision, err := p.read(ctx, order.ID)
		if err != nil {
			return account, err
		}
		before := account
		if rule(&account); account == before && revision != 0 {
			return account, nil
		}
		state, err := json.Marshal(account)
		if err != nil {
			return account, fmt.Errorf("encode the books of order %s: %w", order.ID, err)
		}
		err = p.books.Put(ctx, store.Write{ID: string(order.ID), Revision: revision, State: state})
		if !errors.Is(err, store.ErrConflict) {
			return account, err
		}
	}
}
