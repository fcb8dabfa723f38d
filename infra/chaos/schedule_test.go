package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

func allTargets() targets {
	return targets{
		nodes: []string{"broker", "tickets", "orders"}, paused: []string{"broker", "tickets", "orders"},
		links: []string{"clients>tickets", "tickets>broker"}, disks: []string{"orders"},
	}
}

func rounds(seed uint64, t targets, n int) (all [][]fault) {
	s := newSchedule(seed, t)
	for range n {
		all = append(all, s.next())
	}
	return all
}

func TestASeedReplaysTheSchedule(t *testing.T) {
	first := rounds(7, allTargets(), 200)
	if diff := cmp.Diff(first, rounds(7, allTargets(), 200)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, rounds(8, allTargets(), 200)) {
		t.Error("another seed makes the same schedule")
	}
}

func TestAScheduleHasEveryKind(t *testing.T) {
	seen := map[faultKind]int{}
	mixed := 0
	for _, round := range rounds(1, allTargets(), len(deck)) {
		mixed += len(round) - 1
		for _, f := range round {
			seen[f.Kind]++
		}
	}
	for _, kind := range deck {
		if seen[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	if mixed == 0 {
		t.Error("no round has two faults")
	}
}

func TestFaultsAreAimedAtWhatTheyCanBreak(t *testing.T) {
	for _, round := range rounds(3, allTargets(), 1000) {
		if len(round) == 2 && round[0].Target == round[1].Target {
			t.Fatalf("two faults on one target: %v", round)
		}
		for _, f := range round {
			if f.Kind == faultPause && f.Lasts < 15*time.Second {
				t.Fatalf("%v: must last longer than it takes to call a silent peer dead", f)
			}
			if f.Kind != faultPoison && f.Lasts <= 0 {
				t.Fatalf("%v does not last", f)
			}
		}
	}
}

func TestASystemWithoutDisksHasNoneBroken(t *testing.T) {
	without := allTargets()
	without.disks = nil
	for _, round := range rounds(1, without, 500) {
		for _, f := range round {
			if f.Kind == faultFull || f.Kind == faultReadOnly {
				t.Fatalf("%v", f)
			}
		}
	}
}

// What is injected has to be poison on either channel, or it would not be parked.
func TestPoisonIsPoison(t *testing.T) {
	for at, text := range poisons {
		for _, subject := range []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated} {
			if _, err := event.Decode[event.Ticket](subject, fmt.Appendf(nil, text, at)); err == nil {
				t.Errorf("poison %d is a good event on %s", at, subject)
			}
		}
	}
}
