package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/store"
)

// ErrForeign: the event is not of a kind that the replica keeps.
var ErrForeign = errors.New("no event of this kind is on channel")

// Retry handles a parked event as if it had just come, because a person asks for it. It returns the verdict and
// whether the event is still parked. Apply and Stale end its parking, and so does Early if the record keeps it now;
// otherwise it stays parked with the new reason and one more attempt. store.ErrNotFound if it is not parked;
// ErrForeign if this kind has no such channel. After any other error it is parked as before.
func (r *Replica[T]) Retry(ctx context.Context, id string) (verdict Verdict, parked bool, err error) {
	lot := r.Parking()
	entry, err := lot.Get(ctx, id)
	if err != nil {
		return 0, false, err
	}
	return r.retry(ctx, lot, entry)
}

// retry handles an event that lot has under the entry's id.
func (r *Replica[T]) retry(ctx context.Context, lot *parking.Lot, entry parking.Entry) (verdict Verdict, parked bool, err error) {
	subject := event.Subject(entry.Channel)
	if !slices.Contains(r.kind.Subjects, subject) {
		return 0, true, fmt.Errorf("retry %s: %w %s", entry.ID, ErrForeign, entry.Channel)
	}
	m := bus.Message{Channel: entry.Channel, Sequence: entry.Sequence, Attempt: entry.Attempts + 1, Data: entry.Data}
	d := newDelivery(r.kind, r.config.Now, subject, m, func(error) {}) // it was acknowledged when it was parked
	d.Limit = 1                                                        // nobody would bring it again
	if err := r.handle(ctx, []*delivery[T]{d}); err != nil {
		return Failed, true, err
	}
	parked = d.InLot || d.Verdict == Conflict || d.Verdict == Poison || d.Verdict == Failed
	// It is parked under its entity and version now, which poison did not have before.
	under := parking.Entry{Channel: entry.Channel, Version: event.None, Data: entry.Data}
	if d.poison == nil {
		under = decide.EntryOf(r.kind.Name, d.Change.ID, d.Change.Version, d.Event)
	}
	if parked && lot.ID(under) == entry.ID {
		return d.Verdict, true, nil
	}
	if err := lot.Drop(ctx, entry.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return d.Verdict, parked, err
	}
	return d.Verdict, parked, nil
}

// takeOverParked handles again what an earlier release has parked, so that it is parked, kept or applied as today. Each
// event goes once it is handled. The collection stays: during an upgrade a member of the earlier release may park there
// at any moment, and the next start takes that over.
func (r *Replica[T]) takeOverParked(ctx context.Context) error {
	earlier, err := parking.OpenEarlier(ctx, r.db, parking.Config{Now: r.config.Now, Page: r.config.ParkingPage})
	if err != nil {
		return err
	}
	for after, more := "", true; more; {
		entries, next, err := earlier.List(ctx, after, r.config.ParkingPage)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			_, _, err := r.retry(ctx, earlier, entry)
			if err != nil && !errors.Is(err, ErrForeign) { // another kind takes that over
				return fmt.Errorf("take over what an earlier release has parked: %w", err)
			}
		}
		after, more = next, next != ""
	}
	return nil
}
