package stanlimits_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanlimits"
)

func TestSubscription(t *testing.T) {
	group := bus.Subscription{
		Channel: "ticket:created", Group: "orders-service", Durable: "orders-service", AckWait: time.Minute, MaxInflight: 1,
	}
	change := func(f func(*bus.Subscription)) bus.Subscription {
		s := group
		f(&s)
		return s
	}
	for name, tt := range map[string]struct {
		given bus.Subscription
		err   error
	}{
		"what is set stays":     {given: group},
		"the least":             {given: change(func(s *bus.Subscription) { s.AckWait = stanlimits.MinAckWait })},
		"the most waiting":      {given: change(func(s *bus.Subscription) { s.AckWait = stanlimits.MaxAckWait })},
		"the most in flight":    {given: change(func(s *bus.Subscription) { s.MaxInflight = stanlimits.MaxMaxInflight })},
		"no channel":            {given: change(func(s *bus.Subscription) { s.Channel = "" }), err: bus.ErrChannel},
		"invalid channel":       {given: change(func(s *bus.Subscription) { s.Channel = "a b" }), err: bus.ErrChannel},
		"group without durable": {given: change(func(s *bus.Subscription) { s.Durable = "" }), err: bus.ErrSubscription},
		"colon in the durable":  {given: change(func(s *bus.Subscription) { s.Durable = "a:b" }), err: bus.ErrSubscription},
		"colon in the group":    {given: change(func(s *bus.Subscription) { s.Group = "a:b" }), err: bus.ErrSubscription},
		"blank in the group":    {given: change(func(s *bus.Subscription) { s.Group = "a b" }), err: bus.ErrSubscription},
		"AckWait too short":     {given: change(func(s *bus.Subscription) { s.AckWait = stanlimits.MinAckWait - 1 }), err: bus.ErrSubscription},
		"AckWait too long":      {given: change(func(s *bus.Subscription) { s.AckWait = stanlimits.MaxAckWait + 1 }), err: bus.ErrSubscription},
		"MaxInflight too large": {given: change(func(s *bus.Subscription) { s.MaxInflight = stanlimits.MaxMaxInflight + 1 }), err: bus.ErrSubscription},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stanlimits.Subscription(tt.given)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if err == nil && got != tt.given {
				t.Errorf("(-given +got):\n%s", cmp.Diff(tt.given, got))
			}
		})
	}
}

func TestTheDefaultsAreWithinTheLimits(t *testing.T) {
	got, err := stanlimits.Subscription(bus.Subscription{Channel: "a"})
	want := bus.Subscription{Channel: "a", AckWait: bus.DefaultAckWait, MaxInflight: bus.DefaultMaxInflight}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestCheckChannel(t *testing.T) {
	valid := []string{
		"a", "ticket:created", "payment:created", "a.b.c", "A-Z_0.9", ":", "-", strings.Repeat("x", 200),
	}
	for _, name := range valid {
		if err := stanlimits.CheckChannel(name); err != nil {
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
		err := stanlimits.CheckChannel(name)
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
		err := stanlimits.CheckChannel(name)
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
