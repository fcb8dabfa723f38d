package replica

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/store/storetest/memstore"
)

// A broker with limits drops the oldest events silently. A group that was away is told so.
func TestWhatTheBrokerHasRemovedIsNoticedAndMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		server.Retain(10)
		publisher := server.Connect("source")
		r := openHistories(t, historyKind(), memstore.New())
		say := func(from, to event.Version) {
			for v := from; v <= to; v++ {
				publishAll(t, publisher, sayData("x", v, fmt.Sprint("text ", v)))
			}
		}
		// given a group that has taken something and is away
		say(0, 4)
		_, stop := runConsumer(t, r, server.Connect("first"))
		eventually(t, "version 4 is applied", standsAt(r, "x", 4))
		awaitLag(t, publisher, 0)
		stop()
		if err := r.CheckLoss(t.Context()); err != nil {
			t.Errorf("before: %v", err)
		}
		// when more is published than the broker keeps
		say(5, 24)
		c, _ := runConsumer(t, r, server.Connect("second"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		// then it is said how much is lost: 5 to 14
		loss, err := r.Loss(t.Context())
		if err != nil || loss.Events != 10 || loss.Since.IsZero() {
			t.Errorf("loss is %+v, %v; want 10 events", loss, err)
		}
		if err := r.CheckLoss(t.Context()); err == nil || !strings.Contains(err.Error(), "removed 10 events of history") {
			t.Errorf("the check says %v", err)
		}
		// and the entity waits, until it is resynced over the hole and goes on with what was kept
		awaitLag(t, publisher, 0)
		if _, version := mustRead(t, r, "x"); version != 4 {
			t.Errorf("stands at %d, want 4", version)
		}
		if changed, err := r.Resync(t.Context(), sayData("x", 14, "text 14"), event.None); err != nil || !changed {
			t.Fatalf("resync: %v, %v", changed, err)
		}
		if got, version := mustRead(t, r, "x"); version != 24 || got.Text != "text 24" {
			t.Errorf("stands at %d and says %q, want 24", version, got.Text)
		}
		if err := r.LossMended(t.Context(), loss); err != nil {
			t.Fatal(err)
		}
		if err := r.CheckLoss(t.Context()); err != nil {
			t.Errorf("in the end: %v", err)
		}
	})
}

// Members that see one hole count it once, a hole that grows counts what is new, and a new disk begins anew.
func TestALossIsCountedOnce(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	for i, step := range []struct {
		first, last, sent uint64
		want              uint64
	}{
		{first: 1, last: 10, sent: 4, want: 0},
		{first: 8, last: 20, sent: 4, want: 3},  // 5, 6, 7
		{first: 8, last: 20, sent: 4, want: 3},  // seen by another member
		{first: 10, last: 25, sent: 4, want: 5}, // and 8, 9
		{first: 15, last: 25, sent: 12, want: 7},
		{first: 3, last: 9, sent: 0, want: 9}, // the disk is new: 1, 2
		{first: 4, last: 9, sent: 0, want: 10},
	} {
		channel := bus.Channel{Name: saidChannel, FirstSeq: step.first, LastSeq: step.last}
		if err := r.generations.NoteLoss(t.Context(), channel, bus.Durable{LastSent: step.sent}); err != nil {
			t.Fatal(err)
		}
		if loss, err := r.Loss(t.Context()); err != nil || loss.Events != step.want || (loss.Since.IsZero() != (step.want == 0)) {
			t.Errorf("step %d: %+v, %v; want %d events", i, loss, err, step.want)
		}
	}
	other := bus.Channel{Name: "test:other", FirstSeq: 3, LastSeq: 9}
	if err := r.generations.NoteLoss(t.Context(), other, bus.Durable{}); err != nil {
		t.Fatal(err)
	}
	if loss, err := r.Loss(t.Context()); err != nil || loss.Events != 12 {
		t.Errorf("with another channel: %+v, %v", loss, err)
	}
}

// A loss that is noticed while a person mends another is not forgotten with it.
func TestALossThatGrowsWhileItIsMended(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	note := func(first uint64) Loss {
		t.Helper()
		channel := bus.Channel{Name: saidChannel, FirstSeq: first, LastSeq: 100}
		if err := r.generations.NoteLoss(t.Context(), channel, bus.Durable{}); err != nil {
			t.Fatal(err)
		}
		loss, err := r.Loss(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	known := note(6)
	now := note(51)
	if err := r.LossMended(t.Context(), known); !errors.Is(err, ErrMoreLost) {
		t.Errorf("mending what was known: %v, want ErrMoreLost", err)
	}
	if loss, err := r.Loss(t.Context()); err != nil || loss != now || loss.Events != 50 {
		t.Errorf("then the loss is %+v, %v; want %+v", loss, err, now)
	}
	if err := r.LossMended(t.Context(), now); err != nil {
		t.Errorf("mending all of it: %v", err)
	}
	if loss, err := r.Loss(t.Context()); err != nil || loss != (Loss{}) {
		t.Errorf("in the end: %+v, %v", loss, err)
	}
	if again := note(51); again != (Loss{}) {
		t.Errorf("a member that sees the hole late counts it again: %+v", again)
	}
	if err := r.LossMended(t.Context(), Loss{}); err != nil {
		t.Errorf("with nothing lost: %v", err)
	}
}
