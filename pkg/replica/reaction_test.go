package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// reactions notes the versions reacted to and fails on cue.
type reactions struct {
	seen []event.Version
	fail map[event.Version]error
}

func (r *reactions) kind() Kind[history] {
	kind := historyKind()
	kind.React = perTurn(func(_ event.ID, version event.Version, after history) error {
		if after.Text != fmt.Sprint("text ", version) && after.Text != "other content" {
			return fmt.Errorf("reaction to %d was given the state %+v", version, after)
		}
		r.seen = append(r.seen, version)
		return r.fail[version]
	})
	return kind
}

func TestReactionsComeInVersionOrder(t *testing.T) {
	react := &reactions{}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	handle(t, r, post.say("x", 2), post.say("x", 0), post.say("x", 0), post.say("x", 3))
	handle(t, r, post.say("x", 1), post.say("x", 3))
	if diff := cmp.Diff(upTo(3), react.seen); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
}

func TestAReactionThatFailsIsTriedAgainAndThenParked(t *testing.T) {
	// given a reaction to version 1 that always fails
	react := &reactions{fail: map[event.Version]error{1: errors.New("no such seat")}}
	r := openHistories(t, react.kind(), memstore.New()) // parks at the third attempt
	post := newMail(react.kind())
	handle(t, r, post.say("x", 0))
	data := sayData("x", 1, "text 1")
	first := post.deliver(data)
	handle(t, r, first, post.say("x", 2))
	// then it is not acknowledged, and the one behind it is kept
	if first.Verdict != Failed || post.settled[2] == nil || post.settled[3] != nil {
		t.Fatalf("verdict %v, settled %v", first.Verdict, post.settled)
	}
	// and nothing is parked yet
	handle(t, r, post.redeliver(2, 2, data))
	if parked := mustListParked(t, r); len(parked) != 0 || post.settled[2] == nil {
		t.Fatalf("after two attempts: parked %+v, settled %v", parked, post.settled)
	}
	// when the last attempt allowed has failed, then it is parked with the error and acknowledged
	handle(t, r, post.redeliver(2, 3, data))
	parked := mustListParked(t, r)
	if len(parked) != 1 || parked[0].Reason != parking.Failed || parked[0].Attempts != 3 || parked[0].Entity != "history/x" ||
		parked[0].Version != 1 || post.settled[2] != nil {
		t.Fatalf("parked %+v, settled %v", parked, post.settled)
	}
	if _, version := mustRead(t, r, "x"); version != 0 {
		t.Errorf("stands at %d, want 0", version)
	}
	want := map[Verdict]uint64{Apply: 1, Stale: 0, Conflict: 0, Early: 1, Poison: 0, Failed: 3}
	if diff := cmp.Diff(want, r.Verdicts()); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// Only a message that comes again may have left a note: the lot is not asked about every first one.
func TestWhatMayHaveLeftANote(t *testing.T) {
	for attempt, want := range map[int]bool{1: false, 2: true} {
		if d := newMail(historyKind()).redeliver(1, attempt, sayData("x", 0, "text 0")); d.Again != want {
			t.Errorf("attempt %d: %v, want %v", attempt, d.Again, want)
		}
	}
}

func TestAnAttemptThatSucceedsLeavesNoNote(t *testing.T) {
	react := &reactions{fail: map[event.Version]error{0: errors.New("not today")}}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	data := sayData("x", 0, "text 0")
	handle(t, r, post.deliver(data))
	react.fail = nil
	handle(t, r, post.redeliver(1, 2, data))
	if post.settled[1] != nil {
		t.Errorf("settled with %v", post.settled[1])
	}
	if left := mustListNotes(t, r); len(left) != 0 {
		t.Errorf("notes left: %+v", left)
	}
}

// The reaction to a kept event fails when its turn has come: what brought its turn stays un-acked, so
// that the next attempt comes.
func TestAReactionToAKeptEventIsTriedAgain(t *testing.T) {
	react := &reactions{fail: map[event.Version]error{1: errors.New("not today")}}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	handle(t, r, post.say("x", 1))
	zero := sayData("x", 0, "text 0")
	handle(t, r, post.deliver(zero))
	if _, version := mustRead(t, r, "x"); version != 0 || post.settled[2] == nil {
		t.Fatalf("stands at %d, settled with %v; want 0, and not acknowledged", version, post.settled[2])
	}
	react.fail = nil
	handle(t, r, post.redeliver(2, 2, zero))
	if got, version := mustRead(t, r, "x"); version != 1 || post.settled[2] != nil || !slices.Equal(got.Applied, upTo(1)) {
		t.Errorf("stands at %d, applied %v, settled with %v", version, got.Applied, post.settled[2])
	}
}

func TestAStoreThatIsAwayIsNoAttempt(t *testing.T) {
	notAnAttempt(t, fmt.Errorf("%w: gone", store.ErrUnavailable))
}

// The entity that a reaction changes takes no more changes while 100 of its events wait for the bus.
func TestAnOutboxThatIsFullIsNoAttempt(t *testing.T) {
	notAnAttempt(t, fault.New(fault.Unavailable, "too many changes are waiting to be published"))
}

// notAnAttempt lets a reaction fail for a reason that is none of its event's.
func notAnAttempt(t *testing.T, away error) {
	t.Helper()
	react := &reactions{fail: map[event.Version]error{0: away}}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	data := sayData("x", 0, "text 0")
	// when it is tried far more often than an event may fail
	for attempt := range 10 {
		d := post.redeliver(1, attempt+1, data)
		if err := r.handle(t.Context(), []*delivery[history]{d}); !errors.Is(err, away) {
			t.Fatalf("attempt %d: %v, want %v", attempt, err, away)
		}
		if post.settled[1] == nil {
			t.Fatal("acknowledged without being stored")
		}
	}
	// then nothing was counted
	if left := mustListNotes(t, r); len(left) != 0 {
		t.Errorf("notes left: %+v", left)
	}
}

// One delivery that fails is one attempt, also if its batch is decided again because of a neighbour.
func TestOneDeliveryIsOneAttempt(t *testing.T) {
	db := &racingDB{Database: memstore.New()}
	react := &reactions{fail: map[event.Version]error{7: errNoSeat}}
	a, b := openHistories(t, react.kind(), db), openHistories(t, react.kind(), db.Database)
	post := newMail(react.kind())
	handle(t, a, post.sayFrom("x", 0, 6)...)
	first := func() { handle(t, b, post.say("y", 0)) }
	db.between.Store(&first)
	handle(t, a, post.say("x", 7), post.say("y", 0))
	notes := mustListNotes(t, a)
	if len(notes) != 1 || !strings.Contains(string(notes[0].State), `"attempts":1,`) {
		t.Errorf("noted: %s", notes[0].State)
	}
}

// A refusal that no retry can change parks its event at once, and what is behind it waits for a person.
func TestAHopelessEventIsParkedAtOnce(t *testing.T) {
	react := &reactions{fail: map[event.Version]error{1: Hopeless(errNoSeat)}}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	handle(t, r, post.sayFrom("x", 0, 2)...)
	parked := mustListParked(t, r)
	if len(parked) != 1 || parked[0].Reason != parking.Failed || parked[0].Attempts != 1 || !strings.Contains(parked[0].Error, errNoSeat.Error()) {
		t.Errorf("parked %+v", parked)
	}
	if post.settled[2] != nil {
		t.Errorf("settled with %v, want it acknowledged", post.settled[2])
	}
	if err := Hopeless(errNoSeat); !errors.Is(err, errNoSeat) {
		t.Errorf("%v does not match its reason", err)
	}
}

// What is behind a repeat that is refused is reacted to all the same, and the repeat comes again.
func TestARefusedRepeatHoldsUpNothing(t *testing.T) {
	react := &reactions{}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	handle(t, r, post.say("x", 0))
	react.fail, react.seen = map[event.Version]error{0: errNoSeat}, nil
	again := post.redeliver(1, 2, sayData("x", 0, "text 0"))
	handle(t, r, again, post.say("x", 1))
	if diff := cmp.Diff([]event.Version{0, 1}, react.seen); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	if again.Verdict != Failed || post.settled[1] == nil || post.settled[2] != nil {
		t.Errorf("verdict %v, settled %v", again.Verdict, post.settled)
	}
}
