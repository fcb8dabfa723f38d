// Package generation keeps the generations of one kind's replicas, and the mark that says which one is present.
//
// A generation is a complete set of replicas with what is parked of their events. A rebuild fills the next one beside
// the present one and then makes it the present one, for all instances of the service at once, by one write of the
// mark.
package generation

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// Generation is one set of replicas. Its number counts from 1.
type Generation struct {
	Number  int
	Records store.Collection
	Lot     *parking.Lot
	// Before is the generation that this one replaces, until it has all of history: what was reacted to there is not
	// reacted to again. nil if there is none.
	Before *Generation
}

// Config of Generations. All fields are required.
type Config struct {
	// Kind is the name of the entities: "ticket".
	Kind string
	// Indexes are those of the records.
	Indexes []string
	// Page is how many parked events are in memory at once.
	Page int
	// Now is the clock.
	Now func() time.Time
}

// Generations are those of one kind in one store. All methods may be called concurrently, also by other instances on
// the same store. Store errors come through wrapped.
type Generations struct {
	Mark
	db      store.Database
	config  Config
	log     *slog.Logger
	present atomic.Pointer[Generation]
}

// Open opens the present generation. store.ErrUnavailable if the store cannot be reached.
func Open(ctx context.Context, db store.Database, config Config, log *slog.Logger) (*Generations, error) {
	mark, err := openMark(ctx, db, config)
	if err != nil {
		return nil, err
	}
	g := &Generations{Mark: mark, db: db, config: config, log: log}
	m, err := g.Read(ctx)
	if err != nil {
		return nil, err
	}
	present, err := g.Get(ctx, m.Generation, m.Before)
	if err != nil {
		return nil, err
	}
	g.present.Store(present)
	return g, nil
}

// Present returns the generation that was the present one when Follow last looked.
func (g *Generations) Present() *Generation { return g.present.Load() }

func (g *Generations) recordsName(number int) string {
	return fmt.Sprintf("%s-replica-%d", g.config.Kind, number)
}

func (g *Generations) lotName(number int) string {
	return fmt.Sprintf("%s-parked-%d", g.config.Kind, number)
}

// Get opens a generation, which replaces another one if before is not 0.
func (g *Generations) Get(ctx context.Context, number, before int) (*Generation, error) {
	records, err := g.db.Collection(ctx, store.Spec{Name: g.recordsName(number), Indexes: g.config.Indexes})
	if err != nil {
		return nil, fmt.Errorf("open %s replicas, generation %d: %w", g.config.Kind, number, err)
	}
	lot, err := parking.Open(ctx, g.db, g.lotName(number), parking.Config{Now: g.config.Now, Page: g.config.Page})
	if err != nil {
		return nil, err
	}
	opened := &Generation{Number: number, Records: records, Lot: lot}
	if before != 0 {
		opened.Before, err = g.Get(ctx, before, 0)
	}
	return opened, err
}

// Follow goes over to the present generation if it has changed, and returns it. A member calls it after each write
// and before it acknowledges: what it wrote to a generation that is no longer the present one is then written again
// to the one that is. So nothing is acknowledged that only an abandoned generation holds, and what was acknowledged
// before the change is in the history that the rebuild replays after it. The caller compares with the generation it
// wrote to: another lane of the same member may have gone over already.
func (g *Generations) Follow(ctx context.Context) (*Generation, error) {
	for {
		present := g.present.Load()
		m, err := g.Read(ctx)
		if err != nil {
			return nil, err
		}
		if present.Number == m.Generation && (present.Before == nil) == (m.Before == 0) {
			return present, nil
		}
		next, err := g.Get(ctx, m.Generation, m.Before)
		if err != nil {
			return nil, err
		}
		if !g.present.CompareAndSwap(present, next) {
			continue // another lane was first
		}
		if next.Number != present.Number {
			g.log.Info("replicas of another generation", "kind", g.config.Kind, "generation", next.Number)
		}
		return next, nil
	}
}

// KeepFollowing goes over to another generation for readers also if no events come, until ctx ends.
func (g *Generations) KeepFollowing(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if _, err := g.Follow(ctx); err != nil {
				g.log.Debug("present generation unknown", "kind", g.config.Kind, "error", err)
			}
		}
	}
}

// Reserve begins a generation of its own for a rebuild and returns it, to be filled. It removes those that nobody
// reads.
func (g *Generations) Reserve(ctx context.Context) (*Generation, error) {
	var before State
	number := 0
	err := g.Change(ctx, func(m *State) bool {
		before, number = *m, max(m.Generation, m.Reserved)+1
		m.Reserved = number
		return true
	})
	if err != nil {
		return nil, err
	}
	// What a rebuild compares, and what is removed here, goes by the present generation as the mark names it.
	present, err := g.Follow(ctx)
	if err != nil {
		return nil, err
	}
	if err := g.dropUnread(ctx, before); err != nil {
		return nil, err
	}
	return g.Get(ctx, number, present.Number)
}

// MakePresent makes a generation that was filled the present one, unless another rebuild has begun since. It needs
// history once more, and SetReplayed.
func (g *Generations) MakePresent(ctx context.Context, number int) error {
	changed := false
	err := g.Change(ctx, func(m *State) bool {
		changed = m.Reserved == number
		if changed {
			m.Before, m.Generation, m.Since, m.Replayed = m.Generation, number, g.config.Now().UTC(), false
		}
		return changed
	})
	if err == nil && !changed {
		err = fmt.Errorf("another instance has begun a rebuild of %s since", g.config.Kind)
	}
	return err
}

// LeaveTime is how long a generation has been the present one until no instance reads those before it any more: each
// looks every second (KeepFollowing).
const LeaveTime = 10 * time.Second

// dropUnread removes the generations that nobody reads, so that a rebuild needs the space of one, whatever there was
// before: those that were left and those of rebuilds that did not come to their end. m is the mark before the next one
// was reserved; with that, an older rebuild that is under way has lost.
//
// A member that has hung until its generation was removed finds nothing until it goes over, and what it writes there
// it writes to the present one too before it acknowledges (Follow). A clock that is ahead can make that so for the
// second that the others take to notice; one that is behind keeps the old generations until a later rebuild.
func (g *Generations) dropUnread(ctx context.Context, m State) error {
	left := g.config.Now().Sub(m.Since) >= LeaveTime
	for number := 1; number <= max(m.Generation, m.Reserved); number++ {
		if number == m.Generation || number < m.Generation && !left || number == m.Before {
			continue
		}
		for _, name := range []string{g.recordsName(number), g.lotName(number)} {
			if err := g.db.Drop(ctx, name); err != nil {
				return fmt.Errorf("remove %s, generation %d: %w", g.config.Kind, number, err)
			}
		}
	}
	return nil
}
