package payments

import (
	"context"
	"errors"
	"time"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

const (
	// round is how long the resolver rests between looks at what is open; longestRound is how long after errors.
	round        = time.Second
	longestRound = time.Minute
	// page is how many open payments are read at once.
	page = 100
)

// resolver brings open payments to an end: it asks for outcomes that nobody waits for any more, and has money returned.
type resolver struct{ *cashier }

// run resolves until ctx ends.
func (r resolver) run(ctx context.Context) error {
	rest := round
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rest):
		}
		switch err := r.resolveAll(ctx); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			rest = min(2*rest, longestRound)
			r.log.Warn("open payments cannot be resolved; trying again", "in", rest, "error", err)
		default:
			rest = round
		}
	}
}

// resolveAll looks at all open payments. One that cannot be resolved does not hold up the others.
func (r resolver) resolveAll(ctx context.Context) error {
	var failed []error
	for after := ""; ; {
		open, err := r.payments.List(ctx, store.Query{Index: openIndex, Value: yes, After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, p := range open {
			if err := r.resolve(ctx, p); err != nil {
				failed = append(failed, err)
			}
		}
		if len(open) < page || ctx.Err() != nil {
			return errors.Join(failed...)
		}
		after = string(open[page-1].ID)
	}
}

// resolve resolves one payment. An attempt whose maker may still wait for its answer is left to that.
func (r resolver) resolve(ctx context.Context, p outbox.Entity[Payment]) error {
	age := r.now().Sub(p.State.Since.Time)
	switch {
	case p.State.Status == Refunding:
		return r.release(ctx, p)
	case p.State.Status == Charging && age >= 0 && age < 2*r.patience:
		return nil
	}
	_, err := r.ask(ctx, p, age < 0 || age >= 3*r.patience)
	return err
}
