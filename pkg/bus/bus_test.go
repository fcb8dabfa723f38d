package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
)

func TestSubscriptionWithDefaults(t *testing.T) {
	group := bus.Subscription{Channel: "ticket:created", Group: "orders-service", Durable: "orders-service"}
	change := func(f func(*bus.Subscription)) bus.Subscription {
		s := group
		f(&s)
		return s
	}
	tests := map[string]struct {
		given bus.Subscription
		want  bus.Subscription
		err   error
	}{
		"defaults": {
			given: group,
			want: change(func(s *bus.Subscription) {
				s.AckWait, s.MaxInflight = bus.DefaultAckWait, bus.DefaultMaxInflight
			}),
		},
		"what is set stays": {
			given: bus.Subscription{Channel: "a", Start: bus.FromNow, AckWait: time.Minute, MaxInflight: 1},
			want:  bus.Subscription{Channel: "a", Start: bus.FromNow, AckWait: time.Minute, MaxInflight: 1},
		},
		"limits are the adapter's": {
			given: bus.Subscription{Channel: " ", Group: "a:b", Durable: "c d", AckWait: 1, MaxInflight: 1 << 40},
			want:  bus.Subscription{Channel: " ", Group: "a:b", Durable: "c d", AckWait: 1, MaxInflight: 1 << 40},
		},
		"no channel":            {given: bus.Subscription{}, err: bus.ErrChannel},
		"group without durable": {given: change(func(s *bus.Subscription) { s.Durable = "" }), err: bus.ErrSubscription},
		"durable without group": {given: change(func(s *bus.Subscription) { s.Group = "" }), err: bus.ErrSubscription},
		"group from now":        {given: change(func(s *bus.Subscription) { s.Start = bus.FromNow }), err: bus.ErrSubscription},
		"AckWait negative":      {given: change(func(s *bus.Subscription) { s.AckWait = -1 }), err: bus.ErrSubscription},
		"MaxInflight negative":  {given: change(func(s *bus.Subscription) { s.MaxInflight = -1 }), err: bus.ErrSubscription},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.given.WithDefaults()
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if err == nil && got != tt.want {
				t.Errorf("(-want +got):\n%s", cmp.Diff(tt.want, got))
			}
		})
	}
}

func TestLagAndLost(t *testing.T) {
	tests := map[string]struct {
		channel bus.Channel
		durable bus.Durable
		lag     uint64
		lost    uint64
	}{
		"nothing published":   {},
		"all done":            {channel: bus.Channel{FirstSeq: 1, LastSeq: 10}, durable: bus.Durable{LastSent: 10}},
		"in work":             {channel: bus.Channel{FirstSeq: 1, LastSeq: 10}, durable: bus.Durable{LastSent: 10, Pending: 3}, lag: 3},
		"not sent":            {channel: bus.Channel{FirstSeq: 1, LastSeq: 10}, durable: bus.Durable{LastSent: 4}, lag: 6},
		"both":                {channel: bus.Channel{FirstSeq: 1, LastSeq: 10}, durable: bus.Durable{LastSent: 4, Pending: 4}, lag: 10},
		"never sent":          {channel: bus.Channel{FirstSeq: 1, LastSeq: 10}, lag: 10},
		"next is the first":   {channel: bus.Channel{FirstSeq: 5, LastSeq: 10}, durable: bus.Durable{LastSent: 4}, lag: 6},
		"one is lost":         {channel: bus.Channel{FirstSeq: 6, LastSeq: 10}, durable: bus.Durable{LastSent: 4}, lag: 6, lost: 1},
		"lost from the start": {channel: bus.Channel{FirstSeq: 26, LastSeq: 35}, lag: 35, lost: 25},
		"all was removed":     {channel: bus.Channel{FirstSeq: 11, LastSeq: 10}, durable: bus.Durable{LastSent: 4}, lag: 6, lost: 6},
		"a lost disk":         {channel: bus.Channel{FirstSeq: 1, LastSeq: 2}, durable: bus.Durable{LastSent: 10, Pending: 1}, lag: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.channel.Lag(tt.durable); got != tt.lag {
				t.Errorf("lag %d, want %d", got, tt.lag)
			}
			if got := tt.channel.Lost(tt.durable); got != tt.lost {
				t.Errorf("lost %d, want %d", got, tt.lost)
			}
		})
	}
}

func TestEachSettlesWithTheOutcome(t *testing.T) {
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		var settled []error
		handle := bus.Each(func(_ context.Context, m bus.Message) error {
			if m.Sequence != 7 {
				t.Errorf("got message %d", m.Sequence)
			}
			return want
		})
		handle(context.Background(), bus.Message{Sequence: 7}, func(err error) { settled = append(settled, err) })
		if len(settled) != 1 || settled[0] != want {
			t.Errorf("settled with %v, want once with %v", settled, want)
		}
	}
}
