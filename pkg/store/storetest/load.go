package storetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"ticketing/pkg/store"
)

// The load of the process that is killed: so many writers, each with its own records.
const (
	loadWriters = 8
	loadRecords = 4
	loadWaiting = 6 // events of a record beyond which the oldest are forgotten
)

// runLoad writes until the process is killed, and tells its parent on standard output what it is
// about to forget and what has been acknowledged. It returns only when something fails.
func runLoad(t *testing.T, open func(context.Context) (store.Database, error)) {
	go endWithParent()
	db, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := openCollection(t, db, crashSpec())
	var writers sync.WaitGroup
	for n := range loadWriters {
		writers.Go(func() {
			t.Errorf("writer %d ended: %v", n, loadWriter(t.Context(), c, n))
		})
	}
	writers.Wait()
}

// endWithParent ends the process when its parent has gone. Nothing waits for it, as the process is
// to be killed.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// tell prints one line in one system call, so that a kill never leaves half of it.
func tell(verb, id string, number int64) {
	fmt.Fprintf(os.Stdout, "crash %s %s %d\n", verb, id, number)
}

// loaded is a record as its only writer knows it.
type loaded struct {
	id       string
	revision int64
	waiting  []int64 // versions in the outbox, ascending
}

func (l *loaded) write() store.Write { return crashWrite(l.id, l.revision) }

func (l *loaded) acknowledge() {
	l.waiting = append(l.waiting, l.revision)
	l.revision++
	tell(verbPut, l.id, l.revision)
}

// loadWriter writes until something fails.
func loadWriter(ctx context.Context, c store.Collection, n int) error {
	records, err := loadKnown(ctx, c, n)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		switch record := records[i%loadRecords]; {
		case i%9 == 8:
			err = loadBatch(ctx, c, records)
		case i%11 == 10:
			err = loadDelete(ctx, c, fmt.Sprintf("%s%d-%d-%d", passingPrefix, n, record.revision, i))
		case len(record.waiting) > loadWaiting:
			err = loadForget(ctx, c, record)
		default:
			if err = c.Put(ctx, record.write()); err == nil {
				record.acknowledge()
			}
		}
		if err != nil {
			return err
		}
	}
}

// loadKnown reads where an earlier round has left the records.
func loadKnown(ctx context.Context, c store.Collection, n int) ([]*loaded, error) {
	records := make([]*loaded, loadRecords)
	for i := range records {
		r := &loaded{id: fmt.Sprintf("record-%d-%d", n, i)}
		stored, err := c.GetMany(ctx, []string{r.id})
		if err != nil {
			return nil, err
		}
		r.revision = stored[r.id].Revision
		for v := range stored[r.id].Outbox {
			r.waiting = append(r.waiting, v)
		}
		slices.Sort(r.waiting)
		records[i] = r
	}
	return records, nil
}

func loadBatch(ctx context.Context, c store.Collection, records []*loaded) error {
	ws := make([]store.Write, len(records))
	for i, r := range records {
		ws[i] = r.write()
	}
	if err := c.PutMany(ctx, ws); err != nil {
		return err
	}
	for _, r := range records {
		r.acknowledge()
	}
	return nil
}

func loadForget(ctx context.Context, c store.Collection, r *loaded) error {
	sent := slices.Clone(r.waiting[:loadWaiting/2])
	for _, v := range sent {
		tell(verbForgetting, r.id, v)
	}
	if err := c.Forget(ctx, []store.Sent{{ID: r.id, Versions: sent}}); err != nil {
		return err
	}
	r.waiting = r.waiting[len(sent):]
	for _, v := range sent {
		tell(verbForgot, r.id, v)
	}
	return nil
}

func loadDelete(ctx context.Context, c store.Collection, id string) error {
	if err := c.Put(ctx, crashWrite(id, 0)); err != nil {
		return err
	}
	if err := c.Delete(ctx, id, 1); err != nil {
		return err
	}
	tell(verbDeleted, id, 0)
	return nil
}
