package payments

import (
	"context"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

const (
	// round is how long the resolver rests between looks at what is open; longestRest is how long it leaves a payment
	// alone, or the store, after errors.
	round       = time.Second
	longestRest = time.Minute
	// page is how many open payments are read at once.
	page = 100
)

// resolver brings open payments to an end: it asks for outcomes that nobody waits for any more, and has money returned.
type resolver struct{ *cashier }

// rest is how long a payment that could not be resolved is left alone.
type rest struct {
	length time.Duration
	until  time.Time
}

// longer is the rest after one more error.
func (r rest) longer(now time.Time) rest {
	length := min(max(2*r.length, 2*round), longestRest)
	return rest{length, now.Add(length)}
}

// run resolves until ctx ends.
func (r resolver) run(ctx context.Context) error {
	var resting map[event.ID]rest
	var all rest // that of the store
	pause := round
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		still, err := r.resolveAll(ctx, resting)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			resting, all, pause = still, rest{}, round
			continue
		}
		all = all.longer(r.now())
		pause = all.length
		r.log.Warn("open payments cannot be read; trying again", "in", pause, "error", err)
	}
}

// resolveAll looks at the open payments that do not rest, and returns those that rest from now on, each twice as long as
// before. One that cannot be resolved does not hold up the others. An error is the store's.
func (r resolver) resolveAll(ctx context.Context, resting map[event.ID]rest) (still map[event.ID]rest, err error) {
	still = map[event.ID]rest{}
	var failed []error
	for after, more := "", true; more && ctx.Err() == nil; {
		open, err := r.payments.List(ctx, store.Query{Index: openIndex, Value: yes, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, p := range open {
			before := resting[p.ID]
			if r.now().Before(before.until) {
				still[p.ID] = before
			} else if err := r.resolve(ctx, p); err != nil {
				still[p.ID] = before.longer(r.now())
				failed = append(failed, err)
			}
		}
		if more = len(open) == page; more {
			after = string(open[page-1].ID)
		}
	}
	if len(failed) > 0 && ctx.Err() == nil {
		r.log.Warn("open payments cannot be resolved; trying again", "payments", len(failed), "error", failed[0])
	}
	return still, nil
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
