package generation

import (
	"errors"
	"testing"

	"ticketing/pkg/bus"
	"ticketing/pkg/store/storetest/memstore"
)

// Members that see one hole count it once, a hole that grows counts what is new, and a new disk begins anew.
func TestALossIsCountedOnce(t *testing.T) {
	g := open(t, memstore.New(), &clock{})
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
		{first: 10, last: 9, sent: 0, want: 16}, // the broker has removed everything
		{first: 10, last: 9, sent: 0, want: 16}, // seen by another member
	} {
		channel := bus.Channel{Name: "test:said", FirstSeq: step.first, LastSeq: step.last}
		if err := g.NoteLoss(t.Context(), channel, bus.Durable{LastSent: step.sent}); err != nil {
			t.Fatal(err)
		}
		if loss, err := g.Loss(t.Context()); err != nil || loss.Events != step.want || (loss.Since.IsZero() != (step.want == 0)) {
			t.Errorf("step %d: %+v, %v; want %d events", i, loss, err, step.want)
		}
	}
	other := bus.Channel{Name: "test:other", FirstSeq: 3, LastSeq: 9}
	if err := g.NoteLoss(t.Context(), other, bus.Durable{}); err != nil {
		t.Fatal(err)
	}
	if loss, err := g.Loss(t.Context()); err != nil || loss.Events != 18 {
		t.Errorf("with another channel: %+v, %v", loss, err)
	}
}

// A loss that is noticed while a person mends another is not forgotten with it.
func TestALossThatGrowsWhileItIsMended(t *testing.T) {
	g := open(t, memstore.New(), &clock{})
	note := func(first uint64) Loss {
		t.Helper()
		channel := bus.Channel{Name: "test:said", FirstSeq: first, LastSeq: 100}
		if err := g.NoteLoss(t.Context(), channel, bus.Durable{}); err != nil {
			t.Fatal(err)
		}
		loss, err := g.Loss(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	known := note(6)
	now := note(51)
	if err := g.LossMended(t.Context(), known); !errors.Is(err, ErrMoreLost) {
		t.Errorf("mending what was known: %v, want ErrMoreLost", err)
	}
	if loss, err := g.Loss(t.Context()); err != nil || loss != now || loss.Events != 50 {
		t.Errorf("then the loss is %+v, %v; want %+v", loss, err, now)
	}
	if err := g.LossMended(t.Context(), now); err != nil {
		t.Errorf("mending all of it: %v", err)
	}
	if err := g.LossMended(t.Context(), now); err != nil {
		t.Errorf("a second person who has mended the same loss: %v", err)
	}
	if loss, err := g.Loss(t.Context()); err != nil || loss != (Loss{}) {
		t.Errorf("in the end: %+v, %v", loss, err)
	}
	if again := note(51); again != (Loss{}) {
		t.Errorf("a member that sees the hole late counts it again: %+v", again)
	}
	if err := g.LossMended(t.Context(), Loss{}); err != nil {
		t.Errorf("with nothing lost: %v", err)
	}
}
