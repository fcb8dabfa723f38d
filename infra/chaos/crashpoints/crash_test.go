package crashpoints

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ticketing/infra/chaos/check"
)

// rounds is how often a service is killed at each point.
const rounds = 10

// phase is what the victim is about when it is killed.
type phase string

const (
	inOrder phase = "" // events come and go
	// inReplay: its store is empty at the start, though the group has a position: history is replayed.
	inReplay phase = "-in-a-replay"
	// inRebuild: a person has asked for all replicas to be made anew.
	inRebuild phase = "-in-a-rebuild"
)

// scenarios are the points that a service passes.
var scenarios = []struct {
	victim string
	point  point
	phase  phase
}{
	{roleTickets, storedNotPublished, inOrder},
	{roleTickets, publishedNotNoted, inOrder},
	{roleTickets, publishedNotForgotten, inOrder},
	{roleTickets, inTheCommit, inOrder},
	{roleTickets, reactedNotApplied, inOrder},
	{roleTickets, appliedNotAcked, inOrder},
	{roleOrders, storedNotPublished, inOrder},
	{roleOrders, publishedNotForgotten, inOrder},
	{roleOrders, halfOfTheBatch, inOrder},
	{roleOrders, inTheCommit, inOrder},
	{roleOrders, appliedNotAcked, inOrder},
	{roleOrders, halfOfTheBatch, inRebuild},
	{roleOrders, beforeTheMark, inRebuild},
	{roleDiary, storedNotPublished, inOrder},
	{roleDiary, reactedNotApplied, inOrder},
	{roleDiary, halfOfTheBatch, inOrder},
	{roleDiary, appliedNotAcked, inOrder},
	{roleDiary, halfOfTheBatch, inReplay},
	{roleDiary, beforeTheMark, inReplay},
}

func TestCrashPointsOnBolt(t *testing.T) {
	run(t, onBolt())
}

func onBolt() engine {
	return engine{
		clients: 6, pause: 4 * time.Millisecond, parallel: true,
		env: func(place string) []string { return []string{"BOLT_FILE=" + place} },
	}
}

// A suite that finds nothing proves nothing. An event that is acknowledged before it is stored is lost by a crash
// between the two, and the checks must find that.
func TestAnAckBeforeTheWriteIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onBolt(), "CRASHPOINTS_ACKS_EARLY=true")
	for range rounds {
		w.crash(roleDiary, reactedNotApplied, 5) // the acks may not have left the process yet: nothing is lost then
		if lost := w.settled(); len(lost) > 0 {
			t.Logf("found: %.300s", fmt.Sprint(lost))
			return
		}
	}
	t.Errorf("not found in %d rounds", rounds)
}

func TestCrashPointsOnMongo(t *testing.T) {
	uri := os.Getenv("MONGO_URI")
	if uri == "" {
		t.Skip("MONGO_URI names no server; make test-mongo starts one")
	}
	run(t, onMongo(uri))
}

func onMongo(uri string) engine {
	return engine{
		clients: 4, pause: 40 * time.Millisecond,
		env: func(place string) []string {
			return []string{"MONGO_URI=" + uri, "MONGO_DATABASE=" + databaseOf(place)}
		},
	}
}

// databaseOf is a name for a database that has nothing in common with another place's.
func databaseOf(place string) string {
	hash := sha256.Sum256([]byte(place))
	return "crash-" + hex.EncodeToString(hash[:8])
}

func run(t *testing.T, e engine) {
	for _, s := range scenarios {
		t.Run(s.victim+"/"+string(s.point)+string(s.phase), func(t *testing.T) {
			if e.parallel {
				t.Parallel()
			}
			w := newWorld(t, e)
			for round := range rounds {
				switch s.phase {
				case inReplay:
					w.crashInReplay(s.victim, s.point, round)
				case inRebuild:
					w.crashInRebuild(s.victim, s.point, round)
				default:
					w.crash(s.victim, s.point, 1+round*7%20)
				}
				w.mustSettle()
			}
			e, err := w.evidence()
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range check.All(e) {
				t.Error(finding)
			}
			t.Logf("killed %d times; %d requests, %d tickets, %d orders", rounds, len(e.History), len(e.Tickets.Own), len(e.Orders.Own))
		})
	}
}

// crash lets the load run until the victim has killed itself at a pass of a point, and starts it again.
func (w *world) crash(role string, at point, pass int) {
	w.t.Helper()
	victim := w.members[role]
	w.setTrap(victim, fmt.Sprint(at, " ", pass))
	w.runLoad(func() { w.awaitCrash(victim, at) })
	w.start(victim, "")
	w.awaitReady(victim)
}

// crashInReplay starts the victim on an empty store beside the position that its group has, and again after it
// has killed itself while it replays history.
func (w *world) crashInReplay(role string, at point, round int) {
	w.t.Helper()
	victim := w.members[role]
	w.growHistory()
	victim.process.Kill()
	w.newPlace(victim)
	w.start(victim, fmt.Sprint(at, " ", passInReplay(at, round)))
	w.awaitCrash(victim, at)
	w.start(victim, "")
	w.awaitReady(victim)
}

// passInReplay is a pass that is sure to come: the mark is set once, and history comes in few, large batches.
func passInReplay(at point, round int) int {
	if at == beforeTheMark {
		return 1
	}
	return 1 + round%2
}

// growHistory brings something new.
func (w *world) growHistory() {
	w.runLoad(func() {
		for before := len(w.load.History()); len(w.load.History()) < before+60; {
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// runLoad runs the load while until does not return.
func (w *world) runLoad(until func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.load.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	until()
}

// awaitCrash waits until the victim is gone, which must be by its own hand.
func (w *world) awaitCrash(victim *member, at point) {
	w.t.Helper()
	select {
	case <-victim.process.Exited():
		if err := victim.process.Err(); !strings.Contains(err.Error(), syscall.SIGKILL.String()) {
			w.t.Fatalf("%s ended with %v", victim.role, err)
		}
	case <-time.After(patience):
		w.t.Fatalf("%s has not come to %s", victim.role, at)
	}
}
