package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/store"
)

// generation is one complete set of a kind's replicas. A rebuild fills the next one beside the present one
// and then makes it the present one, for all members of the service at once, by one write of the mark.
type generation struct {
	number  int
	records store.Collection
}

// mark is what a service remembers of a kind: which generation is the present one, and since when, whether it has
// the whole history, or is being sent it by the group, and what of it is lost.
type mark struct {
	Generation int       `json:"generation"` // from 1
	Since      time.Time `json:"since,omitzero"`
	Reserved   int       `json:"reserved"` // the highest one that a rebuild has begun to fill
	Replayed   bool      `json:"replayed"`
	Loss       Loss      `json:"loss"`
}

func (r *Replica[T]) markID() string { return "replayed-" + r.kind.Name }

// readMark returns the mark and its revision, 0 where it was never set.
func (r *Replica[T]) readMark(ctx context.Context) (mark, int64, error) {
	record, err := r.marks.Get(ctx, r.markID())
	if errors.Is(err, store.ErrNotFound) {
		return mark{Generation: 1}, 0, nil
	}
	m := mark{}
	if err == nil {
		err = json.Unmarshal(record.State, &m)
	}
	if err != nil {
		return m, 0, fmt.Errorf("read the mark of %s: %w", r.kind.Name, err)
	}
	return m, record.Revision, nil
}

// writeMark is durable on return. store.ErrConflict where another member was first.
func (r *Replica[T]) writeMark(ctx context.Context, m mark, revision int64) error {
	state, err := json.Marshal(m)
	if err == nil {
		err = r.marks.Put(ctx, store.Write{ID: r.markID(), Revision: revision, State: state})
	}
	if err != nil {
		return fmt.Errorf("set the mark of %s: %w", r.kind.Name, err)
	}
	return nil
}

// setReplayed notes that the present generation is complete. Another member may have noted it already.
func (r *Replica[T]) setReplayed(ctx context.Context) error {
	return r.changeMark(ctx, func(m *mark) bool {
		known := m.Replayed
		m.Replayed = true
		return !known
	})
}

func (r *Replica[T]) generationName(number int) string {
	return fmt.Sprintf("%s-replica-%d", r.kind.Name, number)
}

// open opens a generation's collection.
func (r *Replica[T]) open(ctx context.Context, number int) (*generation, error) {
	spec := store.Spec{Name: r.generationName(number), Indexes: []string{gapIndex}}
	records, err := r.db.Collection(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open %s replicas, generation %d: %w", r.kind.Name, number, err)
	}
	return &generation{number: number, records: records}, nil
}

// follow goes over to the present generation where it has changed, and returns it. A member calls it after
// each write and before it acknowledges: what it wrote to a generation that is no longer the present one
// is then written again to the one that is. So nothing is acknowledged that only an abandoned generation
// holds, and what was acknowledged before the change came before it, and is in the history that the
// rebuild replays after it. The caller compares with the generation it wrote to: another lane of the
// same member may have gone over already.
func (r *Replica[T]) follow(ctx context.Context) (*generation, error) {
	present := r.present.Load()
	if r.building {
		return present, nil
	}
	m, _, err := r.readMark(ctx)
	if err != nil {
		return nil, err
	}
	if present.number == m.Generation {
		return present, nil
	}
	next, err := r.open(ctx, m.Generation)
	if err != nil {
		return nil, err
	}
	if !r.present.CompareAndSwap(present, next) {
		return r.follow(ctx) // another lane was first
	}
	r.log.Info("replicas of another generation", "kind", r.kind.Name, "generation", m.Generation)
	return next, nil
}

// leaveTime is how long a generation has been the present one until no member reads those before it any more: each
// looks every second (lookForGenerations). A mark of before it was noted has been the present one for long.
const leaveTime = 10 * time.Second

// dropUnread removes the generations that nobody reads, so that a rebuild needs the space of one, whatever there was
// before: those that were left and those of rebuilds that did not come to their end. m is the mark before the next one
// was reserved; with that, an older rebuild that is under way has lost.
//
// A member that has hung until its generation was removed does not find what it looks for until it goes over, and
// what it writes there it writes to the present one too before it acknowledges (follow). A clock that is ahead can
// make that so for the second that the others take to notice; one that is behind keeps the old generations until a
// later rebuild.
func (r *Replica[T]) dropUnread(ctx context.Context, m mark) error {
	left := r.config.Now().Sub(m.Since) >= leaveTime
	for number := 1; number <= max(m.Generation, m.Reserved); number++ {
		if number == m.Generation || number < m.Generation && !left {
			continue
		}
		if err := r.db.Drop(ctx, r.generationName(number)); err != nil {
			return fmt.Errorf("remove %s replicas, generation %d: %w", r.kind.Name, number, err)
		}
	}
	return nil
}

// lookForGenerations goes over to another generation for readers also where no events come, until ctx ends.
func (r *Replica[T]) lookForGenerations(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if _, err := r.follow(ctx); err != nil {
				r.log.Debug("present generation unknown", "kind", r.kind.Name, "error", err)
			}
		}
	}
}

// records is the present generation's.
func (r *Replica[T]) records() store.Collection { return r.present.Load().records }

// next is a replica on the generation after the present one, to be filled.
func (r *Replica[T]) next(ctx context.Context, number int) (*Replica[T], error) {
	filled, err := r.open(ctx, number)
	if err != nil {
		return nil, err
	}
	n := &Replica[T]{kind: r.kind, db: r.db, marks: r.marks, parking: r.parking, config: r.config, log: r.log, building: true}
	n.present.Store(filled)
	return n, nil
}
