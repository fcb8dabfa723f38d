package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
		"the least": {
			given: bus.Subscription{Channel: "a", AckWait: bus.MinAckWait, MaxInflight: 1},
			want:  bus.Subscription{Channel: "a", AckWait: bus.MinAckWait, MaxInflight: 1},
		},
		"the most": {
			given: bus.Subscription{Channel: "a", AckWait: bus.MaxAckWait, MaxInflight: bus.MaxMaxInflight},
			want:  bus.Subscription{Channel: "a", AckWait: bus.MaxAckWait, MaxInflight: bus.MaxMaxInflight},
		},
		"no channel":            {given: bus.Subscription{}, err: bus.ErrChannel},
		"group without durable": {given: change(func(s *bus.Subscription) { s.Durable = "" }), err: bus.ErrSubscription},
		"durable without group": {given: change(func(s *bus.Subscription) { s.Group = "" }), err: bus.ErrSubscription},
		"group from now":        {given: change(func(s *bus.Subscription) { s.Start = bus.FromNow }), err: bus.ErrSubscription},
		"colon in the durable":  {given: change(func(s *bus.Subscription) { s.Durable = "a:b" }), err: bus.ErrSubscription},
		"colon in the group":    {given: change(func(s *bus.Subscription) { s.Group = "a:b" }), err: bus.ErrSubscription},
		"blank in the group":    {given: change(func(s *bus.Subscription) { s.Group = "a b" }), err: bus.ErrSubscription},
		"AckWait too short":     {given: change(func(s *bus.Subscription) { s.AckWait = bus.MinAckWait - 1 }), err: bus.ErrSubscription},
		"AckWait negative":      {given: change(func(s *bus.Subscription) { s.AckWait = -1 }), err: bus.ErrSubscription},
		"AckWait too long":      {given: change(func(s *bus.Subscription) { s.AckWait = bus.MaxAckWait + 1 }), err: bus.ErrSubscription},
		"MaxInflight negative":  {given: change(func(s *bus.Subscription) { s.MaxInflight = -1 }), err: bus.ErrSubscription},
		"MaxInflight too large": {given: change(func(s *bus.Subscription) { s.MaxInflight = bus.MaxMaxInflight + 1 }), err: bus.ErrSubscription},
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

func TestCheckChannel(t *testing.T) {
	valid := []string{
		"a", "ticket:created", "payment:created", "a.b.c", "A-Z_0.9", ":", "-", strings.Repeat("x", 200),
	}
	for _, name := range valid {
		if err := bus.CheckChannel(name); err != nil {
			t.Errorf("%q: %v, want it valid", name, err)
		}
	}
	invalid := map[string]string{ // by what the reason has to name
		"":                       "empty",
		strings.Repeat("x", 201): "longer",
		".":                      "empty token",
		".a":                     "empty token",
		"a.":                     "empty token",
		"a..b":                   "empty token",
		"a b":                    `' '`,
		"a\n":                    `'\n'`,
		"a*":                     `'*'`,
		"a.>":                    `'>'`,
		"a/b":                    `'/'`,
		"ü":                      `'ü'`,
		"a\x00":                  `'\x00'`,
	}
	for name, reason := range invalid {
		err := bus.CheckChannel(name)
		if !errors.Is(err, bus.ErrChannel) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: got %v, want ErrChannel for %q", name, err, reason)
		}
	}
}

func FuzzCheckChannel(f *testing.F) {
	for _, seed := range []string{"", "ticket:created", "a..b", ".", "a b", "ü", "\xff", strings.Repeat("a.", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := bus.CheckChannel(name)
		if err != nil {
			// Names come from people and from the network; the error must be fit for a log line.
			if !errors.Is(err, bus.ErrChannel) || strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Fatalf("%q: not a fit error: %v", name, err)
			}
			return
		}
		// What passes must not mean anything to NATS but its own letters.
		if name == "" || len(name) > 200 || strings.ContainsAny(name, " *>\t\r\n/\x00") {
			t.Fatalf("%q passed", name)
		}
		for token := range strings.SplitSeq(name, ".") {
			if token == "" {
				t.Fatalf("%q passed with an empty token", name)
			}
		}
	})
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
