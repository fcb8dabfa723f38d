package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// outcome is what one operation of a group did.
type outcome struct {
	// changed says that the transaction must be committed.
	changed bool
	// err is the operation's own answer, for instance a conflict. The rest of the group goes on.
	err error
}

// operation runs inside the writer's transaction. It decides before it writes, so that an outcome
// with an error leaves nothing behind; an error beside the outcome ends the whole group.
type operation func(tx *bbolt.Tx) (outcome, error)

// request is an operation on its way to the writer and back.
type request struct {
	ctx  context.Context
	size int
	run  operation
	done chan error // has room for the answer, so the writer never waits for a caller that has left
}

// writer is the owner of all write transactions of a file.
type writer struct {
	cfg    config
	file   *bbolt.DB
	opened os.FileInfo // the file as it was when it was opened
	// update runs a transaction and commits it: file.Update, replaced in tests by one that fails.
	update   func(func(*bbolt.Tx) error) error
	requests chan *request
	stopping chan struct{}
	stopped  chan struct{}

	// broken is set for good when the file can no longer be trusted; only the owner uses it.
	broken error
}

func startWriter(cfg config, file *bbolt.DB, opened os.FileInfo) *writer {
	w := &writer{
		cfg:      cfg,
		file:     file,
		opened:   opened,
		update:   file.Update,
		requests: make(chan *request),
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	go w.own()
	return w
}

// stop ends the owner after its present group. No call of do may be running.
func (w *writer) stop() {
	close(w.stopping)
	<-w.stopped
}

// do runs an operation and returns its outcome once it is durable. If ctx ends first, do returns the context's error:
// an operation that has begun may still be stored, any other is not.
func (w *writer) do(ctx context.Context, size int, run operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, size: size, run: run, done: make(chan error, 1)}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) own() {
	defer close(w.stopped)
	var group []*request
	for {
		select {
		case r := <-w.requests:
			group = w.gather(append(group[:0], r))
			w.answer(group)
			clear(group) // what was written may be collected while the writer is idle
		case <-w.stopping:
			return
		}
	}
}

// gather adds the requests that already wait. It waits for none.
func (w *writer) gather(group []*request) []*request {
	size := group[0].size
	for size < w.cfg.group {
		select {
		case r := <-w.requests:
			group = append(group, r)
			size += r.size
		default:
			return group
		}
	}
	return group
}

// answer commits a group and tells every caller, nobody before the commit: a conflict may be one with
// a neighbour of the same group, and means nothing if that is not stored.
func (w *writer) answer(group []*request) {
	outcomes, err := w.commit(group)
	for i, r := range group {
		if err != nil {
			r.done <- fmt.Errorf("%w: %w", store.ErrUnavailable, err)
			continue
		}
		r.done <- outcomes[i].err
	}
}

// inPlace finds out whether what was written can be found again: a file that was removed or replaced under
// a running process still takes writes, and loses all of them when the process ends.
func (w *writer) inPlace() error {
	now, err := os.Stat(w.file.Path())
	if err != nil || !os.SameFile(w.opened, now) {
		return fmt.Errorf("the file was removed or replaced: %s", w.file.Path())
	}
	return nil
}

// errNothing rolls back a transaction in which nothing was written, which saves its fsync.
var errNothing = errors.New("nothing to write")

func (w *writer) commit(group []*request) ([]outcome, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	outcomes := make([]outcome, len(group))
	txid := 0
	err := w.update(func(tx *bbolt.Tx) error {
		txid = tx.ID()
		changed := false
		for i, r := range group {
			if outcomes[i].err = r.ctx.Err(); outcomes[i].err != nil {
				continue
			}
			var err error
			if outcomes[i], err = r.run(tx); err != nil {
				return err
			}
			changed = changed || outcomes[i].changed
		}
		if !changed {
			return errNothing
		}
		return nil
	})
	if err == nil {
		err = w.inPlace()
	}
	if err == nil || errors.Is(err, errNothing) {
		return outcomes, nil
	}
	w.broken = w.distrust(txid, err)
	return nil, err
}

// distrust tells whether a failed commit left the file in a state from which it is unsafe to go on.
//
// Nearly every failure (a full disk above all) happens before the page that makes the transaction
// current, and bbolt returns to the transaction before it. But where that last page was written and
// its sync failed, memory shows the new transaction and the disk may hold the old one, whose pages
// the next transaction would reuse: a crash in it would destroy the file. So nothing more is written.
func (w *writer) distrust(txid int, cause error) error {
	current := 0
	err := w.file.View(func(tx *bbolt.Tx) error {
		current = tx.ID()
		return nil
	})
	if err != nil || current == txid {
		return fmt.Errorf("no more writes until the file is checked and opened again: %w", errors.Join(cause, err))
	}
	return nil
}
