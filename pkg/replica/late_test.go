package replica

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/store/storetest/memstore"
)

// Turns are repeated, also after later ones of their entity, though each event is applied once. This is what a Reactor
// has to be ready for. The last turn is of the version that the replica stands at.
func TestTurnsAreRepeatedAfterLaterOnes(t *testing.T) {
	t.Run("by a member that was held up while another one went on", func(t *testing.T) {
		db := &racingDB{Database: memstore.New()}
		react := &reactions{}
		late, other := openHistories(t, react.kind(), db), openHistories(t, react.kind(), db.Database)
		post := newMail(react.kind())
		zero := post.say("x", 0)
		goOn := func() { handle(t, other, post.redeliver(1, 2, zero.message.Data), post.say("x", 1)) }
		db.between.Store(&goOn)
		handle(t, late, zero)
		wantTurns(t, late, react, 0, 1, 0, 1)
	})
	t.Run("by a crash between the reaction and the replica", func(t *testing.T) {
		react := &reactions{}
		r := openHistories(t, react.kind(), memstore.New())
		post := newMail(react.kind())
		handle(t, r, post.sayFrom("x", 0, 1)...)
		// what a member that died had made of version 0, after another one had applied version 1
		react.seen = append(react.seen, 0)
		handle(t, r, post.redeliver(1, 2, sayData("x", 0, "text 0")))
		wantTurns(t, r, react, 0, 1, 0, 1)
	})
	t.Run("by the group behind a rebuild that was ahead of it", func(t *testing.T) {
		react := &reactions{}
		r := openHistories(t, react.kind(), memstore.New())
		next, err := r.generations.Reserve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		handleIn(t, r, next, newMail(react.kind()).sayFrom("x", 0, 1)...)
		handle(t, r, newMail(react.kind()).sayFrom("x", 0, 1)...)
		wantTurns(t, r, react, 0, 1, 0, 1)
	})
}

// wantTurns checks what was reacted to of x, and that its versions 0 and 1 were applied once all the same.
func wantTurns(t *testing.T, r *Replica[history], react *reactions, turns ...event.Version) {
	t.Helper()
	if diff := cmp.Diff(turns, react.seen); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	if got, version := mustRead(t, r, "x"); version != 1 || !cmp.Equal(got.Applied, upTo(1)) {
		t.Errorf("stands at %d, applied %v", version, got.Applied)
	}
}
