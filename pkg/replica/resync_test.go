package replica

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
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
