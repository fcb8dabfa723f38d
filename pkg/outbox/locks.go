package outbox

import (
	"context"
	"sync"
)

// locks holds one lock per entity while somebody holds it or waits for it. It orders the writers of this process;
// between processes the store's revisions decide.
type locks struct {
	mu   sync.Mutex
	held map[string]*entityLock
}

type entityLock struct {
	slot  chan struct{} // holds one token while locked
	users int           // holder and waiters, guarded by locks.mu
}

func newLocks() *locks { return &locks{held: map[string]*entityLock{}} }

// lock waits for the entity's lock. If ctx ends first, it returns the error of ctx.
func (l *locks) lock(ctx context.Context, id string) (unlock func(), err error) {
	l.mu.Lock()
	entity := l.held[id]
	if entity == nil {
		entity = &entityLock{slot: make(chan struct{}, 1)}
		l.held[id] = entity
	}
	entity.users++
	l.mu.Unlock()

	select {
	case entity.slot <- struct{}{}:
		return func() { <-entity.slot; l.release(id, entity) }, nil
	case <-ctx.Done():
		l.release(id, entity)
		return nil, ctx.Err()
	}
}

func (l *locks) release(id string, entity *entityLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if entity.users--; entity.users == 0 {
		delete(l.held, id)
	}
}

// lockAll waits for the locks of several entities, named once each and in order: so two that want the same ones do not
// wait for each other.
func (l *locks) lockAll(ctx context.Context, ids []string) (unlock func(), err error) {
	unlocks := make([]func(), 0, len(ids))
	unlock = func() {
		for _, one := range unlocks {
			one()
		}
	}
	for _, id := range ids {
		one, err := l.lock(ctx, id)
		if err != nil {
			unlock()
			return nil, err
		}
		unlocks = append(unlocks, one)
	}
	return unlock, nil
}
