package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// generation is one complete set of a kind's replicas, with what is parked of their events. A rebuild fills the next
// one beside the present one and then makes it the present one, for all members of the service at once, by one write
// of the mark.
type generation struct {
	number  int
	records store.Collection
	lot     *parking.Lot
	// before is the generation that this one replaces, until it has all of history: what was reacted to there is
	// not reacted to again. nil if there is none.
	before *generation
}

// mark is what a service remembers of a kind: its generations, whether it has the whole history or is being sent it
// by the group, and what of it is lost.
type mark struct {
	Generation int       `json:"generation"` // the present one, from 1
	Since      time.Time `json:"since,omitzero"`
	Before     int       `json:"before,omitempty"` // the one it replaces, while Replayed is false
	Reserved   int       `json:"reserved"`         // the highest one that a rebuild has begun to fill
	Replayed   bool      `json:"replayed"`
	Loss       Loss      `json:"loss"`
	// Gone is, by channel, the last sequence that is counted in a loss, mended or not.
	Gone map[string]uint64 `json:"gone,omitempty"`
}

func (r *Replica[T]) markID() string { return "replayed-" + r.kind.Name }

// readMark returns the mark and its revision, 0 if it was never set.
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

// writeMark is durable on return. store.ErrConflict if another member was first.
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

// changeMark writes what change makes of the mark, unless it reports that nothing is to be changed.
func (r *Replica[T]) changeMark(ctx context.Context, change func(*mark) bool) error {
	for {
		m, revision, err := r.readMark(ctx)
		if err != nil || !change(&m) {
			return err
		}
		if err := r.writeMark(ctx, m, revision); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// setReplayed notes that the present generation is complete. Another member may have noted it already.
func (r *Replica[T]) setReplayed(ctx context.Context) error {
	return r.changeMark(ctx, func(m *mark) bool {
		known := m.Replayed
		m.Replayed, m.Before = true, 0
		return !known
	})
}

func (r *Replica[T]) recordsName(number int) string {
	return fmt.Sprintf("%s-replica-%d", r.kind.Name, number)
}

func (r *Replica[T]) lotName(number int) string {
	return fmt.Sprintf("%s-parked-%d", r.kind.Name, number)
}

// open opens a generation, which replaces another one if before is not 0.
func (r *Replica[T]) open(ctx context.Context, number, before int) (*generation, error) {
	spec := store.Spec{Name: r.recordsName(number), Indexes: []string{gapIndex}}
	records, err := r.db.Collection(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open %s replicas, generation %d: %w", r.kind.Name, number, err)
	}
	lot, err := parking.Open(ctx, r.db, r.lotName(number), parking.Config{Now: r.config.Now, Page: r.config.ParkingPage})
	if err != nil {
		return nil, err
	}
	g := &generation{number: number, records: records, lot: lot}
	if before != 0 {
		g.before, err = r.open(ctx, before, 0)
	}
	return g, err
}

// follow goes over to the present generation if it has changed, and returns it. A member calls it after each write
// and before it acknowledges: what it wrote to a generation that is no longer the present one is then written again
// to the one that is. So nothing is acknowledged that only an abandoned generation holds, and what was acknowledged
// before the change is in the history that the rebuild replays after it. The caller compares with the generation it
// wrote to: another lane of the same member may have gone over already.
func (r *Replica[T]) follow(ctx context.Context) (*generation, error) {
	present := r.present.Load()
	if r.building {
		return present, nil
	}
	m, _, err := r.readMark(ctx)
	if err != nil {
		return nil, err
	}
	if present.number == m.Generation && (present.before == nil) == (m.Before == 0) {
		return present, nil
	}
	next, err := r.open(ctx, m.Generation, m.Before)
	if err != nil {
		return nil, err
	}
	if !r.present.CompareAndSwap(present, next) {
		return r.follow(ctx) // another lane was first
	}
	if next.number != present.number {
		r.log.Info("replicas of another generation", "kind", r.kind.Name, "generation", m.Generation)
	}
	return next, nil
}

// leaveTime is how long a generation has been the present one until no member reads those before it any more: each
// looks every second (lookForGenerations).
const leaveTime = 10 * time.Second

// dropUnread removes the generations that nobody reads, so that a rebuild needs the space of one, whatever there was
// before: those that were left and those of rebuilds that did not come to their end. m is the mark before the next one
// was reserved; with that, an older rebuild that is under way has lost.
//
// A member that has hung until its generation was removed finds nothing until it goes over, and what it writes there
// it writes to the present one too before it acknowledges (follow). A clock that is ahead can make that so for the
// second that the others take to notice; one that is behind keeps the old generations until a later rebuild.
func (r *Replica[T]) dropUnread(ctx context.Context, m mark) error {
	left := r.config.Now().Sub(m.Since) >= leaveTime
	for number := 1; number <= max(m.Generation, m.Reserved); number++ {
		if number == m.Generation || number < m.Generation && !left || number == m.Before {
			continue
		}
		for _, name := range []string{r.recordsName(number), r.lotName(number)} {
			if err := r.db.Drop(ctx, name); err != nil {
				return fmt.Errorf("remove %s, generation %d: %w", r.kind.Name, number, err)
			}
		}
	}
	return nil
}

// lookForGenerations goes over to another generation for readers also if no events come, until ctx ends.
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

// records are the present generation's.
func (r *Replica[T]) records() store.Collection { return r.present.Load().records }

// next is a replica on a generation that is to replace the present one, to be filled.
func (r *Replica[T]) next(ctx context.Context, number int) (*Replica[T], error) {
	filled, err := r.open(ctx, number, r.present.Load().number)
	if err != nil {
		return nil, err
	}
	n := &Replica[T]{kind: r.kind, db: r.db, marks: r.marks, config: r.config, log: r.log, building: true}
	n.present.Store(filled)
	return n, nil
}
