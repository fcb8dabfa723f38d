package payments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/payment"
	"ticketing/pkg/store"
)

const (
	// look is how often somebody who waits for another attempt looks at it.
	look = 100 * time.Millisecond
	// unseen is what a buyer is told of an attempt that never came to the provider.
	unseen = "the payment did not reach the provider, and nothing was charged"
)

// cashier takes payments to the provider. It writes down what it is about to do before it does it, so that a crash at any
// point leaves a payment whose outcome can be asked for.
type cashier struct {
	payments *outbox.Entities[Payment]
	provider payment.Provider
	// patience is how long an answer of the provider is waited for.
	patience time.Duration
	now      func() time.Time
	log      *slog.Logger
}

// pay pays an order, or finds it paid, and returns the payment as it stands after at most twice the patience. It is open
// if the outcome is not known by then. A client that hangs up ends nothing.
func (c *cashier) pay(ctx context.Context, id event.ID, order Order, token string) (outbox.Entity[Payment], error) {
	attempt := event.NewID(c.now())
	p, err := c.change(ctx, id, func(p Payment) (Payment, error) { return p.Begin(order.Price, attempt, c.now()) })
	if err != nil {
		return p, err
	}
	if p.State.Status == Charging && p.State.AttemptID == attempt {
		return c.charge(context.WithoutCancel(ctx), p, token)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	for p.State.Status == Charging || p.State.Status == Unknown {
		select {
		case <-ctx.Done():
			return p, nil
		case <-time.After(look):
		}
		if p, err = c.payments.Get(context.WithoutCancel(ctx), id); err != nil {
			return p, err
		}
	}
	return p, nil
}

// charge makes an attempt that was begun. If its answer does not come, it asks at once.
func (c *cashier) charge(ctx context.Context, p outbox.Entity[Payment], token string) (outbox.Entity[Payment], error) {
	attempt := p.State.AttemptID
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	outcome, err := c.provider.Charge(limited, order(p), token)
	if err == nil {
		return c.settle(ctx, p, outcome)
	}
	c.log.Warn("the answer to a payment did not come", "order", p.ID, "attempt", p.State.Attempt, "error", err)
	if p, err = c.change(ctx, p.ID, func(p Payment) (Payment, error) { return p.Doubt(attempt) }); err != nil {
		return p, err
	}
	asked, err := c.ask(ctx, p, false)
	if err != nil {
		c.log.Warn("a payment stays open for now", "order", p.ID, "error", err)
		return p, nil
	}
	return asked, nil
}

// ask asks the provider for the outcome of an attempt. One that the provider has not seen may still reach it, unless late
// says that it is too late for that. Until then a decline is believed only of the first attempt: that of a later one may
// be the answer to the attempt before.
func (c *cashier) ask(ctx context.Context, p outbox.Entity[Payment], late bool) (outbox.Entity[Payment], error) {
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	outcome, err := c.provider.Ask(limited, order(p))
	switch {
	case err != nil:
		return p, fmt.Errorf("ask for the outcome of attempt %d of order %s: %w", p.State.Attempt, p.ID, err)
	case !outcome.Charged() && !late && (outcome == payment.Outcome{} || p.State.Attempt > 1):
		return p, nil
	case outcome == payment.Outcome{}:
		outcome.Reason = unseen
	}
	return c.settle(ctx, p, outcome)
}

// settle notes the outcome of the attempt that p is about.
func (c *cashier) settle(ctx context.Context, p outbox.Entity[Payment], outcome payment.Outcome) (outbox.Entity[Payment], error) {
	attempt := p.State.AttemptID
	c.log.Debug("a payment has an outcome", "order", p.ID, "attempt", p.State.Attempt, "charge", outcome.ChargeID, "reason", outcome.Reason)
	return c.change(ctx, p.ID, func(p Payment) (Payment, error) { return p.Settle(attempt, outcome) })
}

// release has the provider return what was charged.
func (c *cashier) release(ctx context.Context, p outbox.Entity[Payment]) error {
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	refunded, err := c.provider.Release(limited, order(p))
	if err != nil {
		return fmt.Errorf("release order %s: %w", p.ID, err)
	}
	if refunded {
		c.log.Warn("an order was charged that could not be completed; the money was returned",
			"order", p.ID, "cents", p.State.Amount, "reason", p.State.Reason)
	}
	_, err = c.change(ctx, p.ID, func(p Payment) (Payment, error) { return p.Release(refunded) })
	return err
}

// change applies a rule to a payment, which it may begin, and returns the payment as it stands then.
func (c *cashier) change(ctx context.Context, id event.ID, rule func(Payment) (Payment, error)) (outbox.Entity[Payment], error) {
	refused, err := c.payments.React(ctx, []outbox.Reaction[Payment]{{
		ID: id, Rule: func(p outbox.Entity[Payment]) (Payment, error) { return rule(p.State) },
	}})
	if err = errors.Join(err, refused[0]); err != nil {
		return outbox.Entity[Payment]{}, err
	}
	p, err := c.payments.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) { // no rule has begun it
		return outbox.Entity[Payment]{ID: id, Version: event.None}, nil
	}
	return p, err
}
