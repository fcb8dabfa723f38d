package replica

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

func TestResync(t *testing.T) {
	tests := []struct {
		name        string
		seen        []event.Version // what has come before
		source      event.Version   // what the source has, saying "now"
		ahead       event.Version   // where the replica was seen ahead of it
		wantChanged bool
		wantVersion event.Version
		wantText    string
		wantKept    int
	}{
		{"of an entity never seen", nil, 7, event.None, true, 7, "now", 0},
		{"over versions that never came", []event.Version{0, 1}, 7, event.None, true, 7, "now", 0},
		{"over versions kept early, going on with those behind it", []event.Version{0, 3, 8, 10}, 7, event.None, true, 8, "text 8", 1},
		{"of another content at the same version", []event.Version{0, 1}, 1, event.None, true, 1, "now", 0},
		{"of an older version", []event.Version{0, 1, 2}, 1, event.None, false, 2, "text 2", 0},
		{"of an older version than it was seen at", []event.Version{0, 1, 2, 5}, 1, 2, true, 1, "now", 1},
		{"of an older version, when it has gone on since it was seen", []event.Version{0, 1, 2, 3}, 1, 2, false, 3, "text 3", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := openHistories(t, historyKind(), memstore.New())
			post := newMail(historyKind())
			for _, v := range tt.seen {
				handle(t, r, post.say("x", v))
			}
			changed, err := r.Resync(t.Context(), sayData("x", tt.source, "now"), tt.ahead)
			if err != nil || changed != tt.wantChanged {
				t.Errorf("changed %v, %v; want %v", changed, err, tt.wantChanged)
			}
			got, version := mustRead(t, r, "x")
			if version != tt.wantVersion || got.Text != tt.wantText {
				t.Errorf("stands at %d and says %q, want %d and %q", version, got.Text, tt.wantVersion, tt.wantText)
			}
			record, err := r.generations.Present().Records.Get(t.Context(), "x")
			if err != nil || len(record.Early) != tt.wantKept {
				t.Errorf("%d early events are kept, %v; want %d", len(record.Early), err, tt.wantKept)
			}
			if again, err := r.Resync(t.Context(), sayData("x", tt.source, "now"), tt.ahead); err != nil || again {
				t.Errorf("the same again: changed %v, %v", again, err)
			}
		})
	}
}

// An event that a person gives is of whichever of the kind's channels takes it.
func TestResyncReadsAnyChannelOfTheKind(t *testing.T) {
	kind := historyKind()
	decode := kind.Decode
	kind.Subjects = []event.Subject{"test:other", saidChannel}
	kind.Decode = func(subject event.Subject, data []byte) (Change[history], error) {
		if subject != saidChannel {
			return Change[history]{}, errors.New("of another channel")
		}
		return decode(subject, data)
	}
	r := openHistories(t, kind, memstore.New())
	if changed, err := r.Resync(t.Context(), sayData("x", 3, "now"), event.None); err != nil || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	if changed, err := r.Resync(t.Context(), []byte(`{"version":4}`), event.None); err == nil || changed {
		t.Errorf("of what no channel takes: changed %v, %v", changed, err)
	}
}

func TestResyncReacts(t *testing.T) {
	react := &reactions{fail: map[event.Version]error{7: errNoSeat}}
	r := openHistories(t, react.kind(), memstore.New())
	if changed, err := r.Resync(t.Context(), sayData("x", 7, "text 7"), event.None); !errors.Is(err, errNoSeat) || changed {
		t.Errorf("with a reaction that is refused: changed %v, %v", changed, err)
	}
	if _, _, err := r.Get(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("then x is there, or %v", err)
	}
	if changed, err := r.Resync(t.Context(), sayData("x", 8, "text 8"), event.None); err != nil || !changed {
		t.Errorf("with one that is not: changed %v, %v", changed, err)
	}
	if diff := cmp.Diff([]event.Version{7, 8}, react.seen); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
}

// What a person mends while another generation becomes the present one is mended there too.
func TestMendingWhileAnotherGenerationBecomesPresent(t *testing.T) {
	for name, mend := range map[string]func(*Replica[history]) error{
		"resync": func(r *Replica[history]) error {
			_, err := r.Resync(t.Context(), sayData("x", 1, "now"), event.None)
			return err
		},
		"drop early": func(r *Replica[history]) error { return r.DropEarly(t.Context(), "x") },
	} {
		t.Run(name, func(t *testing.T) {
			// given an entity that waits for version 1, in two generations
			db := &racingDB{Database: memstore.New()}
			r, other := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db.Database)
			post := newMail(historyKind())
			handle(t, r, post.say("x", 0), post.say("x", 5))
			next, err := other.generations.Get(t.Context(), 2, 0)
			if err != nil {
				t.Fatal(err)
			}
			handleIn(t, other, next, post.say("x", 0), post.say("x", 5))
			// when the second becomes the present one after the first was read
			change := func() { setMark(t, other, generation.State{Generation: 2, Reserved: 2, Replayed: true}) }
			db.between.Store(&change)
			if err := mend(r); err != nil {
				t.Fatal(err)
			}
			// then it is as it should be in the second
			record, err := next.Records.Get(t.Context(), "x")
			if mended := record.Version == 1 || len(record.Early) == 0; err != nil || !mended {
				t.Errorf("stands at %d and keeps %d, %v", record.Version, len(record.Early), err)
			}
		})
	}
}

func TestListLeavesStubsOut(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	for i := range 5 {
		handle(t, r, post.say(event.ID(fmt.Sprint("e", i)), 0))
	}
	handle(t, r, post.say("e2stub", 4))
	var ids []event.ID
	for after := event.ID(""); ; {
		items, next, err := r.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			ids = append(ids, item.ID)
		}
		if next == "" {
			break
		}
		after = next
	}
	if diff := cmp.Diff([]event.ID{"e0", "e1", "e2", "e3", "e4"}, ids); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func TestItem(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	handle(t, r, post.say("x", 0), post.say("stub", 4))
	item, err := r.Item(t.Context(), "x")
	if diff := cmp.Diff(Item{ID: "x", Version: 0, State: []byte(`{"applied":[0],"text":"text 0"}`)}, item); diff != "" || err != nil {
		t.Errorf("item (-want +got):\n%s%v", diff, err)
	}
	for _, id := range []event.ID{"stub", "missing"} {
		if item, err := r.Item(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %+v, %v; want ErrNotFound", id, item, err)
		}
	}
}
