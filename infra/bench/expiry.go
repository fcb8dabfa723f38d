package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
	"ticketing/services/expiration"
)

// expiry is the program of expiration with that many deadlines in its store that are a year away: how long it takes
// until it is ready, how late a thousand others in each second are heard of on the bus, from the deadline to the handler
// of a subscriber, and the most memory of its own that it holds meanwhile. It has no reference: its targets are what
// buyers and pods may be promised.
func expiry(s sizes) measurement {
	at := fmt.Sprintf("expiration at %s pending deadlines, ", amount(s.large))
	return measurement{
		name: "expiry",
		rows: []row{
			{name: at + "start", unit: "ms", target: valueAtMost(2000)},
			{name: at + "late p99", unit: "ms", target: valueAtMost(250)},
			{name: at + "memory", unit: "MB", target: valueAtMost(200)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			if err := memoryCanBeTaken(); err != nil {
				return nil, nil, err
			}
			if _, err := env.stock.builtPrograms(ctx); err != nil { // or lead would be over before a program is there
				return nil, nil, err
			}
			w := &waiting{env: env, due: s.due, full: filepath.Join(env.dir, "deadlines.db")}
			var far []expiration.Deadline
			for _, id := range env.stock.idsOf(s.large) {
				far = append(far, expiration.Deadline{OrderID: id, At: event.At(time.Now().Add(365 * 24 * time.Hour)), Status: expiration.Pending})
			}
			return w.expire, nil, putDeadlines(ctx, w.full, far)
		},
	}
}

// lead is from the filling of a store to its first deadline: the program has started by then.
const lead = 8 * time.Second

// waiting is a store full of deadlines.
type waiting struct {
	env  *environment
	full string
	due  int
}

func (w *waiting) expire(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	conn, err := w.env.connectRaw(&until)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(w.env.dir, w.env.name("expiration")+".db")
	if err := copyFile(path, w.full); err != nil {
		return nil, fmt.Errorf("copy the store of expiration: %w", err)
	}
	due := make([]expiration.Deadline, w.due)
	at := make(map[event.ID]time.Time, w.due)
	first := time.Now().Add(lead)
	for i, id := range newIDs(w.due) {
		due[i] = expiration.Deadline{OrderID: id, At: event.At(first.Add(time.Duration(i) * time.Millisecond)), Status: expiration.Pending}
		at[id] = due[i].At.Time
	}
	if err := putDeadlines(ctx, path, due); err != nil {
		return nil, err
	}
	heard := make(chan float64, w.due)
	listening, err := conn.Subscribe(string(event.SubjectExpirationComplete), func(m *stango.Msg) {
		now := time.Now()
		fact, err := event.Decode[event.ExpirationComplete](event.SubjectExpirationComplete, m.Data)
		if deadline, ours := at[fact.OrderID]; err == nil && ours && !m.Redelivered {
			heard <- milliseconds(now.Sub(deadline))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	until.add(listening.Unsubscribe)
	p, err := startProgram(ctx, w.env, &until, expiration.Name, path)
	if err != nil {
		return nil, err
	}
	started, err := p.awaitReady(ctx)
	if err != nil {
		return nil, err
	}
	if late := time.Since(first); late > 0 {
		return nil, fmt.Errorf("it was ready %v after the first deadline", late)
	}
	late := make([]float64, 0, w.due)
	memory, err := watchMemory(ctx, p.PID(), func(ctx context.Context) error {
		for len(late) < w.due {
			select {
			case ms := <-heard:
				late = append(late, ms)
			case <-ctx.Done():
				return fmt.Errorf("%d of %d deadlines are heard of: %w", len(late), w.due, ctx.Err())
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []float64{milliseconds(started), percentile(late, 99), slices.Max(memory)}, nil
}

// putDeadlines adds deadlines to a closed store, as the service keeps them.
func putDeadlines(ctx context.Context, path string, deadlines []expiration.Deadline) (err error) {
	db, err := bolt.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	records, err := db.Collection(ctx, store.Spec{Name: expiration.Collection, Indexes: []string{"pending"}})
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(deadlines, fillBatch) {
		writes := make([]store.Write, len(batch))
		for i, d := range batch {
			state, err := json.Marshal(d)
			if err != nil {
				return fmt.Errorf("encode a deadline: %w", err)
			}
			writes[i] = store.Write{ID: string(d.ID()), State: state, Index: map[string]string{"pending": "yes"}}
		}
		if err := records.PutMany(ctx, writes); err != nil {
			return err
		}
	}
	return nil
}
