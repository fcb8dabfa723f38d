package outbox

import (
	"log/slog"
	"testing"
	"time"

	"ticketing/pkg/store"
)

func TestPausesGrowToTheLongest(t *testing.T) {
	r := NewRelay(nil, nil, Config{MaxBackoff: 300 * time.Millisecond}, slog.New(slog.DiscardHandler))
	for failures, want := range map[int]time.Duration{1: 50, 2: 100, 3: 200, 4: 300, 5: 300, 1000: 300} {
		want *= time.Millisecond
		if got := r.pause(failures); got < want/2 || got > want {
			t.Errorf("after %d failures the pause is %v, want %v to %v", failures, got, want/2, want)
		}
	}
}

func TestALaneThatFailedWaitsForItsPause(t *testing.T) {
	now := time.Now()
	pause := func(failures int) time.Duration { return time.Duration(failures) * time.Second }
	l := newLanes(10)
	fail := func(id string, version int64) *lane {
		t.Helper()
		l.offer(id, version, store.Event{})
		entity := <-l.ready
		l.failed(entity, now, pause)
		return entity
	}
	noneIsReady := func() {
		t.Helper()
		select {
		case entity := <-l.ready:
			t.Fatalf("lane %s is ready before its time", entity.id)
		default:
		}
	}
	// given a lane that has failed twice, and one that has failed once
	a := fail("a", 0)
	l.retry(now.Add(time.Second))
	l.failed(<-l.ready, now, pause)
	fail("b", 0)
	<-l.stuck
	l.offer("a", 1, store.Event{})
	noneIsReady()
	// then that one is ready after the shorter pause,
	if left := l.retry(now.Add(time.Second)); !left {
		t.Error("no lane is left, want one")
	}
	if next := <-l.ready; next.id != "b" {
		t.Errorf("lane %s is ready, want b", next.id)
	}
	noneIsReady()
	// and the other one after the longer, with the event that failed
	if left := l.retry(now.Add(2 * time.Second)); left {
		t.Error("a lane is left, want none")
	}
	if next := l.next(<-l.ready); next.version != 0 {
		t.Errorf("version %d is next, want the one that failed", next.version)
	}
	// and once it is published, the next failure is the first again.
	l.published(a, 0)
	l.failed(<-l.behind, now, pause)
	l.retry(now.Add(time.Second))
	if next := l.next(<-l.ready); next.version != 1 {
		t.Errorf("version %d is next, want 1", next.version)
	}
}
