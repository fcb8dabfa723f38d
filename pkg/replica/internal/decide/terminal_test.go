package decide

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
)

// end is the event that ends an entity's history.
func end(kind *Kind[lore], sequence uint64, version event.Version) *Delivery[lore] {
	d := say(kind, sequence, version, "end")
	d.Event.Channel = string(event.SubjectOrderCancelled)
	return d
}

// An entity that ends may lack versions before its end: the Node version of orders completes one without an event and
// cancels it afterwards. In whatever order events come, all replicas are equal: the beginning and then the end.
func TestTheEndNeedsNoVersionButTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := loreKind(rapid.Bool().Draw(t, "reacts"))
		s := newShelf(kind, rapid.IntRange(1, 3).Draw(t, "room"), rapid.IntRange(1, 3).Draw(t, "page"))
		last := event.Version(rapid.IntRange(2, 5).Draw(t, "end"))
		var all []*Delivery[lore]
		for range rapid.IntRange(1, 2).Draw(t, "beginnings") {
			all = append(all, say(kind, uint64(len(all)), 0, "t"))
		}
		for range rapid.IntRange(1, 2).Draw(t, "ends") {
			all = append(all, end(kind, uint64(len(all)), last))
		}
		all = rapid.Permutation(all).Draw(t, "order")
		var turns []Turn[lore]
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			turns = append(turns, s.handle(rest[:n]...)...)
			rest = rest[n:]
		}
		if diff := cmp.Diff([]string{"0 t", fmt.Sprint(last, " end")}, s.applied()); diff != "" || s.record.Version != int64(last) {
			t.Fatalf("stands at %d, applied (-want +got):\n%s", s.record.Version, diff)
		}
		if len(s.record.Early) > 0 || len(s.early) > 0 || len(s.others) > 0 || s.record.Index[GapIndex] != "" {
			t.Fatalf("left: kept %v, parked %v, %v, marked %v", s.record.Early, s.early, s.others, s.record.Index)
		}
		if kind.Reacts && turns[len(turns)-1].Version != last {
			t.Fatalf("turns %+v, want the end last", turns)
		}
	})
}

func TestWhatComesAfterTheEndIsStale(t *testing.T) {
	kind := loreKind(true)
	s := newShelf(kind, 3, 3)
	late := say(kind, 4, 1, "t")
	s.handle(say(kind, 1, 0, "t"), say(kind, 2, 2, "t")) // 2 is kept: 1 is missing
	s.handle(end(kind, 3, 5))
	s.handle(late)
	if diff := cmp.Diff([]string{"0 t", "5 end"}, s.applied()); diff != "" || late.Verdict != Stale || len(s.record.Early) > 0 {
		t.Errorf("verdict %v, kept %v, applied (-want +got):\n%s", late.Verdict, s.record.Early, diff)
	}
}

// Nobody reacts to what has ended in the same batch.
func TestTheEndTakesTheTurnsBeforeIt(t *testing.T) {
	kind := loreKind(true)
	for name, batch := range map[string][]*Delivery[lore]{
		"in order": {say(kind, 1, 0, "t"), end(kind, 2, 1)},
		"early":    {end(kind, 2, 1), say(kind, 1, 0, "t")},
	} {
		if turns := newShelf(kind, 3, 3).handle(batch...); len(turns) != 1 || turns[0].Version != 1 || len(turns[0].After.Applied) != 2 {
			t.Errorf("%s: turns %+v, want that of the end", name, turns)
		}
	}
}

// A stale event asks for the reaction to what the entity stands at. If that is refused, it is not acknowledged.
func TestARefusedRepeat(t *testing.T) {
	why := errors.New("no such seat")
	kind := loreKind(true)
	s := newShelf(kind, 3, 3)
	s.handle(say(kind, 1, 0, "t"), say(kind, 2, 1, "t"))
	if turns := s.handle(say(kind, 1, 0, "t"), say(kind, 2, 1, "t")); len(turns) != 1 || turns[0].Version != 1 || len(turns[0].After.Applied) != 2 {
		t.Errorf("turns %+v, want one of version 1", turns)
	}
	s.refused = map[event.Version]error{1: why}
	zero := say(kind, 1, 0, "t")
	if turns := s.handle(zero); len(turns) != 0 || zero.Verdict != Failed || !errors.Is(zero.Outcome, why) {
		t.Errorf("turns %+v, verdict %v, outcome %v", turns, zero.Verdict, zero.Outcome)
	}
}
