package main

import (
	"strings"
	"testing"
	"time"
)

func TestWhenAStepIsSaturated(t *testing.T) {
	good := step{Offered: 1000, Achieved: 990, P99: 10 * time.Millisecond, BacklogOver: 2}
	for name, c := range map[string]struct {
		change func(*step)
		want   string // part of the answer; empty for not saturated
	}{
		"it keeps up":                       {func(*step) {}, ""},
		"a request could not be sent":       {func(s *step) { s.Dropped = 1 }, "dropped"},
		"one was refused":                   {func(s *step) { s.Refused = 1 }, "503"},
		"just enough answers":               {func(s *step) { s.Achieved = 950 }, ""},
		"too few answers":                   {func(s *step) { s.Achieved = 949 }, "achieved 95%"},
		"p99 at the limit":                  {func(s *step) { s.P99 = 500 * time.Millisecond }, ""},
		"p99 above it":                      {func(s *step) { s.P99 = 501 * time.Millisecond }, "p99"},
		"events are left behind":            {func(s *step) { s.BacklogMiddle, s.BacklogEnd = 100, 300 }, "from 100 to 300"},
		"many are on their way, not more":   {func(s *step) { s.BacklogMiddle, s.BacklogEnd = 3000, 3000 }, ""},
		"more, but few":                     {func(s *step) { s.BacklogMiddle, s.BacklogEnd = 0, 100 }, ""},
		"more, but little beside the rate":  {func(s *step) { s.BacklogMiddle, s.BacklogEnd = 100, 190 }, ""},
		"a closed loop offers what it gets": {func(s *step) { s.Offered = 0 }, ""},
	} {
		s := good
		c.change(&s)
		got := saturation(s, 500*time.Millisecond)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatIsAtItsLimitFirst(t *testing.T) {
	for name, c := range map[string]struct {
		step step
		want string // its beginning
	}{
		"nothing is known":               {step{}, "unknown"},
		"this process has the cores":     {step{Embedded: true, spent: spent{CPU: 0.9, MachineCPU: 0.95}}, "CPU: this process"},
		"others have some of them, too":  {step{Embedded: true, spent: spent{CPU: 0.5, MachineCPU: 0.95}}, "CPU: the cores"},
		"others have most of them":       {step{Embedded: true, spent: spent{CPU: 0.4, MachineCPU: 0.95}}, "CPU, most of it taken by others"},
		"events are left behind":         {step{Embedded: true, spent: spent{CPU: 0.8}, Achieved: 100, BacklogEnd: 1000, BacklogOver: 1}, "relay/consumers"},
		"that, for want of CPU":          {step{Embedded: true, spent: spent{CPU: 1}, Achieved: 100, BacklogEnd: 1000, BacklogOver: 1}, "CPU"},
		"cores are free, events go well": {step{Embedded: true, spent: spent{CPU: 0.5, MachineCPU: 0.6}}, "disk"},
	} {
		if got := firstLimit(c.step); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
