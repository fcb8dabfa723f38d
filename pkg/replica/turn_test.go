package replica

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/store/storetest/memstore"
)

// shutBus lets nobody join. It refuses after the given times, and notes the pauses between two attempts.
type shutBus struct {
	Bus
	refuseAfter []time.Duration
	refused     time.Time
	pauses      []time.Duration
	over        chan struct{} // closed at the last attempt, which waits for its context
}

func (b *shutBus) Subscribe(ctx context.Context, _ bus.Subscription, _ bus.Handler) (bus.Member, error) {
	b.pauses = append(b.pauses, time.Since(b.refused))
	if len(b.pauses) > len(b.refuseAfter) {
		close(b.over)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(b.refuseAfter[len(b.pauses)-1])
	b.refused = time.Now()
	return nil, errors.New("shut")
}

// A member whose turns end at once waits longer each time and logs the reason once. A turn that lasts begins a new row.
func TestPausesBetweenTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a broker that refuses a member twelve times at once and then after a while
		const longest = 10 * time.Second
		shut := &shutBus{Bus: membus.New(t).Connect("member"), over: make(chan struct{}), refuseAfter: make([]time.Duration, 13)}
		shut.refuseAfter[12] = longest + time.Second
		var log bytes.Buffer
		c := NewConsumer(openHistories(t, historyKind(), memstore.New()), shut,
			ConsumerConfig{Group: testGroup, MaxBackoff: longest}, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		<-shut.over
		stop()
		running.Wait()
		// then the pauses grow to the longest, half of it at random, and begin anew
		if pause := shut.pauses[12]; pause < longest/2 {
			t.Errorf("after 12 turns that ended at once it paused for %v", pause)
		}
		if pause := shut.pauses[13]; pause > 75*time.Millisecond {
			t.Errorf("after a turn that lasted it paused for %v", pause)
		}
		if lines := strings.Count(log.String(), "consumer stopped"); lines != 2 {
			t.Errorf("logged %d times, want once for each row:\n%s", lines, log.String())
		}
	})
}
