package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// said is the event of these tests and lore its entity: what was applied, in order.
type said struct {
	Version event.Version `json:"version"`
	Text    string        `json:"text"`
}

type lore struct {
	Applied []string `json:"applied"`
}

func loreKind(reacts bool) *Kind[lore] {
	return &Kind[lore]{Name: "lore", Reacts: reacts, Decode: func(_ event.Subject, data []byte) (Change[lore], error) {
		var s said
		err := json.Unmarshal(data, &s)
		line := fmt.Sprint(s.Version, " ", s.Text)
		return Change[lore]{ID: "x", Version: s.Version, Apply: func(l lore) lore {
			if n := len(l.Applied); n > 0 && l.Applied[n-1] == line {
				return l
			}
			return lore{append(slices.Clone(l.Applied), line)}
		}}, err
	}}
}

// shelf is a store of one entity and its lot, as whoever calls this package keeps them.
type shelf struct {
	kind    *Kind[lore]
	room    Room
	page    int
	record  store.Record
	early   map[string]parking.Entry // parked as early, by version and text
	others  []parking.Entry          // parked for other reasons
	settled int
	refused map[event.Version]error
}

func key(e parking.Entry) string { return fmt.Sprintf("%06d %s", e.Version, e.Data) }

func say(kind *Kind[lore], sequence uint64, version event.Version, text string) *Delivery[lore] {
	data, err := json.Marshal(said{version, text})
	if err != nil {
		panic(err) // said has nothing that JSON lacks
	}
	d := &Delivery[lore]{Event: store.Event{Channel: "said", Sequence: sequence, Data: data}}
	d.Change, _ = kind.Decode("said", data)
	return d
}

func (s *shelf) source(g Group[lore]) Source {
	from := Source{Record: s.record, Reacted: event.None, Refused: s.refused}
	img := NewImage(s.kind, s.room, "x", from)
	if img.Overflow() && g.MayRelease(img) {
		keys := slices.Sorted(maps.Keys(s.early))
		from.Searched, from.More = true, len(keys) >= s.page
		for _, k := range keys[:min(len(keys), s.page)] {
			from.Parked = append(from.Parked, s.early[k])
		}
	}
	return from
}

// handle decides and stores until nothing is left, and returns the turns.
func (s *shelf) handle(deliveries ...*Delivery[lore]) (turns []Turn[lore]) {
	g, more := Group[lore]{ID: "x", Deliveries: deliveries}, true
	for more {
		d := g.Decide(NewImage(s.kind, s.room, "x", s.source(g)))
		turns = append(turns, d.Turns...)
		for _, e := range d.Aside {
			if e.Reason == parking.Early {
				s.early[key(e)] = e
			} else {
				delete(s.early, key(e))
				s.others = append(s.others, e)
			}
		}
		for _, delivered := range g.Deliveries {
			delivered.Parked = delivered.Parked || delivered.InLot
		}
		if d.Dirty {
			w, err := d.Image.Write()
			if err != nil {
				panic(err) // lore has nothing that JSON lacks
			}
			s.record = store.Record{ID: w.ID, Revision: w.Revision + 1, Version: w.Version, Index: w.Index, State: w.State, Early: w.Early}
		}
		for _, e := range d.Settled {
			delete(s.early, key(e))
			s.settled++
		}
		g, more = d.Rest()
	}
	return turns
}

func newShelf(kind *Kind[lore], room, page int) *shelf {
	return &shelf{kind: kind, room: Room{Events: room, Bytes: 1000}, page: page, early: map[string]parking.Entry{}}
}

func (s *shelf) applied() []string {
	var l lore
	if s.record.State != nil {
		if err := json.Unmarshal(s.record.State, &l); err != nil {
			panic(err) // Write wrote it
		}
	}
	return l.Applied
}

func lines(to int) (lines []string) {
	for v := range to + 1 {
		lines = append(lines, fmt.Sprint(v, " t"))
	}
	return lines
}

// However events are ordered, copied and cut into batches, with whatever room: each version is applied once and in
// order, each is reacted to in that order, again only while it is the last, and nothing is left in the record or the lot.
func TestAnyOrderIsApplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := loreKind(rapid.Bool().Draw(t, "reacts"))
		s := newShelf(kind, rapid.IntRange(1, 3).Draw(t, "room"), rapid.IntRange(1, 3).Draw(t, "page"))
		last := rapid.IntRange(0, 12).Draw(t, "last")
		var all []*Delivery[lore]
		for v := range last + 1 {
			for range rapid.IntRange(1, 2).Draw(t, "copies") {
				all = append(all, say(kind, uint64(len(all)), event.Version(v), "t"))
			}
		}
		all = rapid.Permutation(all).Draw(t, "order")
		var turns []Turn[lore]
		released := 0
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			turns = append(turns, s.handle(rest[:n]...)...)
			rest = rest[n:]
		}
		if diff := cmp.Diff(lines(last), s.applied()); diff != "" || s.record.Version != int64(last) {
			t.Fatalf("stands at %d, applied (-want +got):\n%s", s.record.Version, diff)
		}
		if len(s.record.Early) > 0 || len(s.early) > 0 || len(s.others) > 0 {
			t.Fatalf("left: kept %v, parked %v, %v", s.record.Early, s.early, s.others)
		}
		reacted := 0
		for i, turn := range turns {
			if v := int(turn.Version); v == reacted {
				reacted++
			} else if v != reacted-1 {
				t.Fatalf("turn %d is %+v, after one of %d", i, turn, reacted-1)
			}
			if len(turn.After.Applied) != reacted {
				t.Fatalf("turn %d is %+v", i, turn)
			}
		}
		if kind.Reacts != (reacted == last+1) {
			t.Fatalf("reacted to %d versions of %d", reacted, last+1)
		}
		applied := 0
		for _, d := range all {
			if released += len(d.Released); d.Verdict == Apply {
				applied++
			}
			if d.Outcome != nil || d.Verdict == Conflict || d.Verdict == Failed {
				t.Fatalf("version %d: %v, %v", d.Change.Version, d.Verdict, d.Outcome)
			}
		}
		if applied+released != last+1 {
			t.Fatalf("%d applied and %d released, want %d", applied, released, last+1)
		}
		// and the mark goes with the next event
		s.handle(say(kind, 999, 0, "t"))
		if s.record.Index[GapIndex] != "" {
			t.Fatalf("still marked %q", s.record.Index[GapIndex])
		}
	})
}

func TestTheMarkOfAGap(t *testing.T) {
	kind := loreKind(false)
	s := newShelf(kind, 2, 2)
	for _, step := range []struct {
		version event.Version
		want    string
		kept    int
		parked  int
	}{{0, "", 0, 0}, {2, GapKept, 1, 0}, {4, GapKept, 2, 0}, {6, GapParked, 2, 1}, {1, GapParked, 1, 1}, {3, GapParked, 0, 1}, {5, GapParked, 0, 0}, {5, "", 0, 0}} {
		s.handle(say(kind, uint64(step.version), step.version, "t"))
		if got := s.record.Index[GapIndex]; got != step.want || len(s.record.Early) != step.kept || len(s.early) != step.parked {
			t.Errorf("after %d: marked %q, %d kept, %d parked; want %+v", step.version, got, len(s.record.Early), len(s.early), step)
		}
	}
}

// The bytes of what a record keeps are bounded like their number.
func TestTheRoomHasBytes(t *testing.T) {
	kind := loreKind(false)
	s := newShelf(kind, 100, 2)
	one := len(say(kind, 0, 1, "t").Event.Data)
	s.room.Bytes = 2 * one
	for v := range event.Version(3) {
		s.handle(say(kind, uint64(v), v+1, "t"))
	}
	if len(s.record.Early) != 2 || len(s.early) != 1 {
		t.Errorf("%d kept and %d parked, want 2 and 1", len(s.record.Early), len(s.early))
	}
}

// An entry that is set aside says what it is.
func TestWhatIsSetAside(t *testing.T) {
	kind := loreKind(false)
	s := newShelf(kind, 1, 2)
	s.handle(say(kind, 1, 0, "t"), say(kind, 2, 0, "other"), say(kind, 3, 2, "t"), say(kind, 4, 3, "t"))
	conflict := parking.Entry{Reason: parking.Conflict, Channel: "said", Sequence: 2, Entity: "lore/x", Version: 0,
		Error: "version 0 was seen with other content", Data: []byte(`{"version":0,"text":"other"}`)}
	early := parking.Entry{Reason: parking.Early, Channel: "said", Sequence: 4, Entity: "lore/x", Version: 3,
		Error: "more than 1 early events or 1000 bytes of them", Data: []byte(`{"version":3,"text":"t"}`)}
	if diff := cmp.Diff([]parking.Entry{conflict}, s.others); diff != "" {
		t.Errorf("for a person (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]parking.Entry{early}, slices.Collect(maps.Values(s.early))); diff != "" {
		t.Errorf("early (-want +got):\n%s", diff)
	}
}

// An event whose reaction is refused is not applied, what is behind it waits, and whoever released it comes again.
func TestARefusedReaction(t *testing.T) {
	why := errors.New("no such seat")
	kind := loreKind(true)
	t.Run("of a delivery", func(t *testing.T) {
		s := newShelf(kind, 3, 2)
		img := NewImage(kind, s.room, "x", Source{Reacted: event.None, Refused: map[event.Version]error{1: why}})
		zero, one, two := say(kind, 1, 0, "t"), say(kind, 2, 1, "t"), say(kind, 3, 2, "t")
		d := Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{zero, one, two}}.Decide(img)
		if len(d.Attempts) != 1 || d.Attempts[0].Delivery != one || d.Attempts[0].Kept || !errors.Is(d.Attempts[0].Cause, why) || d.Attempts[0].Entry.Version != 1 {
			t.Errorf("attempts: %+v", d.Attempts)
		}
		if zero.Verdict != Apply || one.Verdict != Failed || !errors.Is(one.Outcome, why) || two.Verdict != Early || two.Outcome != nil || img.Version() != 0 {
			t.Errorf("verdicts %v, %v, %v; outcome %v; stands at %d", zero.Verdict, one.Verdict, two.Verdict, one.Outcome, img.Version())
		}
		d.Park(d.Attempts[0])
		if one.Outcome != nil || img.HasNext() {
			t.Errorf("once it is parked: outcome %v", one.Outcome)
		}
	})
	t.Run("of a kept event", func(t *testing.T) {
		s := newShelf(kind, 3, 2)
		s.handle(say(kind, 1, 1, "t"), say(kind, 2, 2, "t"))
		img := NewImage(kind, s.room, "x", Source{Record: s.record, Reacted: event.None, Refused: map[event.Version]error{1: why}})
		zero, three := say(kind, 3, 0, "t"), say(kind, 4, 3, "t")
		d := Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{zero, three}}.Decide(img)
		if len(d.Attempts) != 1 || d.Attempts[0].Delivery != zero || !d.Attempts[0].Kept || d.Attempts[0].Entry.Version != 1 {
			t.Errorf("attempts: %+v", d.Attempts)
		}
		if zero.Verdict != Apply || !errors.Is(zero.Outcome, why) || three.Outcome != nil || !img.HasNext() {
			t.Errorf("verdict %v, outcomes %v and %v", zero.Verdict, zero.Outcome, three.Outcome)
		}
		if _, more := d.Rest(); more {
			t.Error("it goes on behind an event that fails")
		}
		d.Dirty = false
		d.Park(d.Attempts[0])
		if zero.Outcome != nil || img.HasNext() || !d.Dirty {
			t.Errorf("once it is parked: outcome %v, next %v, dirty %v", zero.Outcome, img.HasNext(), d.Dirty)
		}
	})
	t.Run("of a kept event, behind one that is seen already", func(t *testing.T) {
		s := newShelf(kind, 3, 2)
		s.handle(say(kind, 1, 0, "t"))
		s.record.Early = map[int64]store.Event{1: say(kind, 2, 1, "t").Event} // its last attempt failed
		img := NewImage(kind, s.room, "x", Source{Record: s.record, Reacted: event.None, Refused: map[event.Version]error{1: why}})
		zero := say(kind, 1, 0, "t")
		d := Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{zero}}.Decide(img)
		if len(d.Attempts) != 1 || d.Attempts[0].Delivery != zero || zero.Verdict != Stale || !errors.Is(zero.Outcome, why) {
			t.Errorf("verdict %v, outcome %v, attempts %+v", zero.Verdict, zero.Outcome, d.Attempts)
		}
	})
	t.Run("that the generation before has made", func(t *testing.T) {
		img := NewImage(kind, Room{3, 1000}, "x", Source{Reacted: 1})
		d := Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{say(kind, 1, 0, "t"), say(kind, 2, 1, "t"), say(kind, 3, 2, "t")}}.Decide(img)
		if len(d.Turns) != 1 || d.Turns[0].Version != 2 || img.Version() != 2 {
			t.Errorf("turns %+v, stands at %d", d.Turns, img.Version())
		}
	})
}

// The lot may hold a note of an event that was delivered before, or whose attempts were counted.
func TestWhatMayBeNoted(t *testing.T) {
	for name, tt := range map[string]struct {
		reacts, again, parked bool
		version               event.Version
		want                  []event.Version
	}{
		"a first delivery":                   {false, false, false, 0, nil},
		"one that comes again":               {false, true, false, 0, []event.Version{0}},
		"an early one that comes again":      {false, true, false, 5, []event.Version{5}},
		"an early one that was parked":       {false, false, true, 5, []event.Version{5}},
		"what it releases, if there is more": {true, false, false, 0, []event.Version{1}},
	} {
		t.Run(name, func(t *testing.T) {
			kind := loreKind(tt.reacts)
			s := newShelf(kind, 3, 2)
			s.handle(say(kind, 1, 1, "t"))
			delivered := say(kind, 2, tt.version, "t")
			delivered.Again, delivered.Parked = tt.again, tt.parked
			d := Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{delivered}}.Decide(NewImage(kind, s.room, "x", Source{Record: s.record, Reacted: event.None}))
			var got []event.Version
			for _, e := range d.Settled {
				got = append(got, e.Version)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("settled (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResyncAndDropEarly(t *testing.T) {
	kind := loreKind(false)
	s := newShelf(kind, 3, 2)
	s.handle(say(kind, 1, 0, "t"), say(kind, 2, 3, "t"), say(kind, 3, 5, "t"))
	image := func() *Image[lore] { return NewImage(kind, s.room, "x", Source{Record: s.record, Reacted: event.None}) }
	for _, tt := range []struct {
		version, ahead event.Version
		text           string
		changed        bool
		stands         event.Version
		kept           int
	}{
		{0, event.None, "t", false, 0, 2},
		{0, event.None, "other", true, 0, 2},
		{3, event.None, "now", true, 3, 1},
		{9, event.None, "now", true, 9, 0},
	} {
		img := image()
		changed, err := img.Resync(say(kind, 0, tt.version, tt.text).Change, tt.ahead)
		if err != nil || changed != tt.changed || img.Version() != tt.stands || len(img.early) != tt.kept {
			t.Errorf("resync to %d %q: changed %v, %v, stands at %d, %d kept; want %+v", tt.version, tt.text, changed, err, img.Version(), len(img.early), tt)
		}
	}
	s.record.Version = 7
	if changed, err := image().Resync(say(kind, 0, 6, "t").Change, 8); changed || err != nil {
		t.Errorf("an older version than it was seen ahead at: %v, %v", changed, err)
	}
	if changed, err := image().Resync(say(kind, 0, 6, "t").Change, 7); !changed || err != nil {
		t.Errorf("back to what the source has: %v, %v", changed, err)
	}
	img := image()
	img.DropEarly()
	if w, err := img.Write(); err != nil || len(w.Early) > 0 || w.Index != nil || w.Version != 7 {
		t.Errorf("without early events it is written as %+v, %v", w, err)
	}
}

// What cannot be decoded is no state to go on from: nothing is decided on it.
func TestAStateThatCannotBeRead(t *testing.T) {
	kind := loreKind(false)
	broken := store.Record{ID: "x", Revision: 3, Version: 4, State: []byte("{")}
	img := NewImage(kind, Room{3, 1000}, "x", Source{Record: broken, Reacted: event.None})
	next, same := say(kind, 1, 5, "t"), say(kind, 2, 4, "t")
	Group[lore]{ID: "x", Deliveries: []*Delivery[lore]{next, same}}.Decide(img)
	if next.Verdict != Failed || same.Verdict != Conflict {
		t.Errorf("verdicts %v and %v", next.Verdict, same.Verdict)
	}
	if w, err := img.Write(); err != nil || string(w.State) != "{" || w.Version != 4 || w.Revision != 3 {
		t.Errorf("written as %+v, %v", w, err)
	}
}
