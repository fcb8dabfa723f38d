package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// faultKind is a way to break something.
type faultKind string

// The kinds of faults.
const (
	faultKill     faultKind = "kill -9"
	faultPause    faultKind = "pause"     // longer than AckWait and than it takes to call a silent peer dead
	faultCut      faultKind = "cut"       // the connections of a link end and no new one is made
	faultDelay    faultKind = "delay"     // every byte comes late
	faultHalfOpen faultKind = "half-open" // what one side says does not arrive, and neither is told
	faultReset    faultKind = "reset"     // connections are reset as soon as they carry anything
	faultMidway   faultKind = "midway"    // connections end in the middle of a message
	faultPoison   faultKind = "poison"    // events that no service can use
	faultFull     faultKind = "disk full"
	faultReadOnly faultKind = "read-only" // a service is started on a folder that it cannot write
)

// fault is one entry of the schedule.
type fault struct {
	Kind faultKind
	// Target is a node, a link or a disk, by name.
	Target string
	// Lasts is from the beginning of the fault to its end.
	Lasts time.Duration
	// Detail is what the kind needs to know more: bytes until a connection ends, the direction, the poison's number.
	Detail int
}

// String is one phrase for people.
func (f fault) String() string {
	if f.Lasts == 0 {
		return fmt.Sprintf("%s %s", f.Kind, f.Target)
	}
	return fmt.Sprintf("%s %s for %v", f.Kind, f.Target, f.Lasts.Round(time.Millisecond))
}

// targets is what can be broken, by name.
type targets struct {
	nodes []string // everything that can be killed
	// paused are the broker, which goes on with what came meanwhile, and its clients, which it then calls dead.
	paused []string
	links  []string
	disks  []string
}

// deck holds each kind as often as it is to be drawn before the deck is shuffled again.
var deck = []faultKind{
	faultKill, faultKill, faultKill, faultKill, faultKill, faultKill,
	faultCut, faultCut, faultCut, faultDelay, faultDelay, faultHalfOpen, faultHalfOpen, faultReset, faultReset,
	faultMidway, faultMidway, faultPoison, faultPoison, faultPause, faultFull, faultReadOnly,
}

// schedule decides what is broken next. It is pure: the same seed and targets make the same faults.
type schedule struct {
	dice    *rand.Rand
	targets targets
	left    []faultKind
	poison  int
}

func newSchedule(seed uint64, t targets) *schedule {
	return &schedule{dice: rand.New(rand.NewPCG(seed, 1)), targets: t}
}

// next is the faults of one round, which begin at the same time: one, and in every third round two, on
// different targets.
func (s *schedule) next() []fault {
	round := []fault{s.draw()}
	if s.dice.IntN(3) == 0 {
		if second := s.draw(); second.Target != round[0].Target {
			round = append(round, second)
		}
	}
	return round
}

func (s *schedule) draw() fault {
	for {
		if len(s.left) == 0 {
			s.left = append(s.left, deck...)
			s.dice.Shuffle(len(s.left), func(i, j int) { s.left[i], s.left[j] = s.left[j], s.left[i] })
		}
		kind := s.left[0]
		s.left = s.left[1:]
		if f, ok := s.aim(kind); ok {
			return f
		}
	}
}

// aim chooses target and length; there is none where the system has no such target.
func (s *schedule) aim(kind faultKind) (fault, bool) {
	f := fault{Kind: kind, Lasts: s.between(200*time.Millisecond, 3*time.Second), Detail: s.dice.IntN(2000)}
	from := s.targets.links
	switch kind {
	case faultKill:
		from = s.targets.nodes
	case faultPause:
		from, f.Lasts = s.targets.paused, s.between(15*time.Second, 17*time.Second)
	case faultHalfOpen:
		f.Lasts = s.between(time.Second, 8*time.Second) // beyond what a client waits for an answer, and below
	case faultFull, faultReadOnly:
		from = s.targets.disks
	case faultPoison:
		s.poison++
		return fault{Kind: kind, Target: "the bus", Detail: s.poison}, true
	}
	if len(from) == 0 {
		return f, false
	}
	f.Target = from[s.dice.IntN(len(from))]
	return f, true
}

func (s *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.dice.Int64N(int64(most-least)))
}
