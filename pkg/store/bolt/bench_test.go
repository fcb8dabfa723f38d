package bolt

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"ticketing/pkg/store"
)

// The benchmarks print records per second. Ids are random, as the worst case of a tree; states have
// 200 bytes, as a ticket does.

// filled opens a collection of n records at revision 1 and returns their ids.
func filled(b *testing.B, n int) (store.Collection, []string) {
	b.Helper()
	ctx := b.Context()
	db, err := Open(filepath.Join(b.TempDir(), "bench.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	c, err := db.Collection(ctx, store.Spec{Name: "tickets", Indexes: []string{"user"}})
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]string, n)
	ws := make([]store.Write, 0, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf("%024x", rand.Uint64())
		if ws = append(ws, update(ids[i], 0, nil)); len(ws) == cap(ws) || i == n-1 {
			if err := c.PutMany(ctx, ws); err != nil {
				b.Fatal(err)
			}
			ws = ws[:0]
		}
	}
	return c, ids
}

func update(id string, revision int64, emit []store.Event) store.Write {
	return store.Write{ID: id, Revision: revision, Version: revision, State: bytes.Repeat([]byte("s"), 200), Emit: emit}
}

func perSecond(b *testing.B, records int) {
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(0, "ns/op")
}

func sizes(b *testing.B, run func(b *testing.B, c store.Collection, ids []string)) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("%dk", n/1000), func(b *testing.B) {
			c, ids := filled(b, n)
			run(b, c, ids)
		})
	}
}

// BenchmarkPut changes single records from 64 writers, each change with its event.
func BenchmarkPut(b *testing.B) {
	sizes(b, func(b *testing.B, c store.Collection, ids []string) {
		const writers = 64
		ctx := context.Background()
		revisions := make([]int64, len(ids))
		var next atomic.Int64
		b.ReportAllocs()
		b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
		b.ResetTimer()
		var writer atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			// Each writer has its own records, so that none meets a conflict.
			self := int(writer.Add(1) - 1)
			random := rand.New(rand.NewPCG(1, uint64(self)))
			for pb.Next() {
				i := random.IntN(len(ids)/1024)*1024 + self
				revisions[i]++
				err := c.Put(ctx, update(ids[i], revisions[i], []store.Event{{Channel: "ticket:updated", Data: make([]byte, 150)}}))
				if err != nil {
					b.Error(err)
					return
				}
				if revisions[i]%8 == 0 { // a relay would
					forget(b, c, ids[i], revisions[i])
				}
				next.Add(1)
			}
		})
		perSecond(b, int(next.Load()))
	})
}

func forget(b *testing.B, c store.Collection, id string, upTo int64) {
	sent := store.Sent{ID: id}
	for v := upTo - 7; v <= upTo; v++ {
		sent.Versions = append(sent.Versions, v)
	}
	if err := c.Forget(context.Background(), []store.Sent{sent}); err != nil {
		b.Error(err)
	}
}

// BenchmarkPutMany changes batches of 1,000 records, as a replica does that catches up.
func BenchmarkPutMany(b *testing.B) {
	sizes(b, func(b *testing.B, c store.Collection, ids []string) {
		ctx := context.Background()
		revisions := make([]int64, len(ids))
		ws := make([]store.Write, 1000)
		b.ReportAllocs()
		for b.Loop() {
			// A random one of each stretch: different records, all over the tree.
			for j := range ws {
				i := j*(len(ids)/len(ws)) + rand.IntN(len(ids)/len(ws))
				revisions[i]++
				ws[j] = update(ids[i], revisions[i], nil)
			}
			if err := c.PutMany(ctx, ws); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N*len(ws))
	})
}

// BenchmarkCreateMany creates batches of 1,000 records.
func BenchmarkCreateMany(b *testing.B) {
	sizes(b, func(b *testing.B, c store.Collection, _ []string) {
		ctx := context.Background()
		ws := make([]store.Write, 1000)
		b.ReportAllocs()
		for b.Loop() {
			for j := range ws {
				ws[j] = update(fmt.Sprintf("%024x", rand.Uint64()), 0, nil)
			}
			if err := c.PutMany(ctx, ws); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N*len(ws))
	})
}

// BenchmarkGetMany reads batches of 1,000 records.
func BenchmarkGetMany(b *testing.B) {
	sizes(b, func(b *testing.B, c store.Collection, ids []string) {
		ctx := context.Background()
		batch := make([]string, 1000)
		b.ReportAllocs()
		for b.Loop() {
			for j := range batch {
				batch[j] = ids[rand.IntN(len(ids))]
			}
			if _, err := c.GetMany(ctx, batch); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N*len(batch))
	})
}
