package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// Resync takes an entity as its source has it now, in the form of an event of the kind, and makes the replica equal to
// it: over versions that will never come, because the broker's limits have removed them, and over other content at the
// same version. An older version changes nothing, as the replica may have gone on since it was compared, unless ahead
// is the version that the replica stands at: then it was seen ahead of its source, by somebody's event or because the
// source has lost something, and goes back. event.None for ahead never goes back. A rebuild that is under way gets the
// entity as well. Resync reports whether the replica was changed, which is durable on return. A person asks for it;
// events never do this.
func (r *Replica[T]) Resync(ctx context.Context, data []byte, ahead event.Version) (changed bool, err error) {
	change, err := r.kind.decodeAny(data)
	if err != nil {
		return false, err
	}
	for {
		written := r.generations.Present()
		if changed, err = r.handling(written).resync(ctx, change, ahead); err != nil {
			break
		}
		// The mark is read behind the write: a rebuild that begins later finds what was written when it compares.
		var m generation.State
		if m, err = r.generations.Read(ctx); err != nil {
			break
		}
		if m.Reserved > m.Generation { // a rebuild fills it, or has left it unfinished
			var filling *generation.Generation
			if filling, err = r.generations.Get(ctx, m.Reserved, m.Generation); err != nil {
				break
			}
			if _, err = r.handling(filling).resync(ctx, change, ahead); err != nil {
				break
			}
		}
		present, err := r.generations.Follow(ctx)
		if err != nil || present.Number == written.Number {
			return changed, err
		}
	}
	return false, fmt.Errorf("resync %s %s: %w", r.kind.Name, change.ID, err)
}

// decodeAny reads an event of whichever of the kind's channels takes it.
func (k Kind[T]) decodeAny(data []byte) (change Change[T], err error) {
	for _, subject := range k.Subjects {
		if change, err = k.Decode(subject, data); err == nil {
			return change, nil
		}
	}
	return change, err
}

// resync does so in one generation.
func (h handling[T]) resync(ctx context.Context, change Change[T], ahead event.Version) (changed bool, err error) {
	for {
		changed, err := h.tryResync(ctx, change, ahead)
		if !errors.Is(err, store.ErrConflict) {
			return changed, err
		}
	}
}

func (h handling[T]) tryResync(ctx context.Context, change Change[T], ahead event.Version) (bool, error) {
	groups := []decide.Group[T]{{ID: change.ID, GoesOn: true}}
	sources, err := h.read(ctx, groups)
	if err != nil {
		return false, err
	}
	img := h.image(change.ID, sources[0])
	if changed, err := img.Resync(change, ahead); err != nil || !changed {
		return false, err
	}
	overruled, err := h.parkedUpTo(ctx, img)
	if err != nil {
		return false, err
	}
	decisions := []decide.Decision[T]{groups[0].Decide(img)}
	if h.reactor != nil {
		if refused, err := h.reactor.React(ctx, decisions[0].Turns); err != nil || len(refused) > 0 {
			return false, errors.Join(err, refused[0], errors.New("the reaction to it is refused"))
		}
	}
	left, err := h.write(ctx, groups, decisions)
	if err == nil {
		err = h.generation.Lot.Settle(ctx, overruled)
	}
	if err == nil && len(left) > 0 { // more parked events are next
		err = h.storeGroups(ctx, left)
	}
	return err == nil, err
}

// parkedUpTo returns the ids of the early events that the lot has up to the version of an image.
func (h handling[T]) parkedUpTo(ctx context.Context, img *decide.Image[T]) (ids []string, err error) {
	if !img.Overflow() {
		return nil, nil
	}
	err = h.generation.Lot.EachEarly(ctx, img.Name(), func(e parking.Entry) bool {
		if e.Version <= img.Version() {
			ids = append(ids, e.ID)
		}
		return e.Version <= img.Version()
	})
	return ids, err
}

// DropEarly removes the events that are kept or parked behind the version that an entity waits for: a person has
// decided that it will never come, as when somebody published an event of their own. The entity stays at its version;
// one without an applied event is not seen, as before. Durable on return; a crash or an error may leave some of
// them parked. A rebuild meets them in the broker's history again. store.ErrNotFound if no version is missing, also
// if the next one has come and could not be applied yet.
func (r *Replica[T]) DropEarly(ctx context.Context, id event.ID) error {
	for dropped := false; ; {
		written := r.generations.Present()
		err := r.handling(written).dropEarly(ctx, id)
		if errors.Is(err, store.ErrConflict) {
			continue // an event came meanwhile
		}
		if dropped && errors.Is(err, store.ErrNotFound) {
			err = nil // in another generation they need not be
		}
		if err != nil {
			return fmt.Errorf("drop the early events of %s: %w", decide.EntityName(r.kind.Name, id), err)
		}
		dropped = true
		if present, err := r.generations.Follow(ctx); err != nil || present.Number == written.Number {
			return err
		}
	}
}

func (h handling[T]) dropEarly(ctx context.Context, id event.ID) error {
	record, err := h.generation.Records.Get(ctx, string(id))
	if err != nil {
		return err
	}
	img := h.image(id, decide.Source{Record: record, Reacted: event.None})
	come := img.HasNext()
	var parked []string
	if img.Overflow() {
		err := h.generation.Lot.EachEarly(ctx, img.Name(), func(e parking.Entry) bool {
			come = come || e.Version == img.Version().Next()
			parked = append(parked, e.ID)
			return !come
		})
		if err != nil {
			return err
		}
	}
	if come || len(record.Early)+len(parked) == 0 {
		return store.ErrNotFound
	}
	img.DropEarly()
	w, err := img.Write()
	if err != nil {
		return err
	}
	// The write decides, as the missing version may come at any moment, and only then are the parked ones removed. The
	// record stays even if it is empty: a new one would begin with revisions that another member has read of this one.
	if err := h.generation.Records.Put(ctx, w); err != nil {
		return err
	}
	return h.generation.Lot.Settle(ctx, parked)
}

// Loss is what the broker's limits have removed before it was sent to the group (docs/contract.md, The bus port, 11).
// It is kept until a person has made the replicas equal to their source again.
type Loss = generation.Loss

// ErrMoreLost: events were lost since the loss that is said to be mended.
var ErrMoreLost = generation.ErrMoreLost

// Loss returns what is known to be lost; zero if nothing is.
func (r *Replica[T]) Loss(ctx context.Context) (Loss, error) { return r.generations.Loss(ctx) }

// LossMended forgets a loss, after the replicas have been made equal to their source. mended is the loss that was
// known before that began; ErrMoreLost if it has grown since. Durable on return.
func (r *Replica[T]) LossMended(ctx context.Context, mended Loss) error {
	return r.generations.LossMended(ctx, mended)
}

// CheckLoss is a readiness check that reports a loss and what to do about it.
func (r *Replica[T]) CheckLoss(ctx context.Context) error {
	loss, err := r.Loss(ctx)
	if err != nil || loss.Events == 0 {
		return err
	}
	return fmt.Errorf("the broker removed %d events of %s before they were sent, noticed %s; `busctl verify --resync` mends it",
		loss.Events, r.kind.Name, loss.Since.Format(time.RFC3339))
}
