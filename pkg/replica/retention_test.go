package replica

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/store/storetest/memstore"
)

// A broker with limits drops the oldest events silently. A group that was away is told so.
func TestWhatTheBrokerHasRemovedIsNoticedAndMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		server.Retain(10)
		publisher := server.Connect("source")
		r := openHistories(t, historyKind(), memstore.New())
		say := func(from, to event.Version) {
			for v := from; v <= to; v++ {
				publishAll(t, publisher, sayData("x", v, fmt.Sprint("text ", v)))
			}
		}
		// given a group that has taken something and is away
		say(0, 4)
		_, stop := runConsumer(t, r, server.Connect("first"))
		eventually(t, "version 4 is applied", standsAt(r, "x", 4))
		awaitLag(t, publisher, 0)
		stop()
		if err := r.CheckLoss(t.Context()); err != nil {
			t.Errorf("before: %v", err)
		}
		// when more is published than the broker keeps
		say(5, 24)
		c, _ := runConsumer(t, r, server.Connect("second"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		// then it is said how much is lost: 5 to 14
		loss, err := r.Loss(t.Context())
		if err != nil || loss.Events != 10 || loss.Since.IsZero() {
			t.Errorf("loss is %+v, %v; want 10 events", loss, err)
		}
		if err := r.CheckLoss(t.Context()); err == nil || !strings.Contains(err.Error(), "removed 10 events of history") {
			t.Errorf("the check says %v", err)
		}
		// and the entity waits, until it is resynced over the hole and goes on with what was kept
		awaitLag(t, publisher, 0)
		if _, version := mustRead(t, r, "x"); version != 4 {
			t.Errorf("stands at %d, want 4", version)
		}
		if changed, err := r.Resync(t.Context(), sayData("x", 14, "text 14"), event.None); err != nil || !changed {
			t.Fatalf("resync: %v, %v", changed, err)
		}
		if got, version := mustRead(t, r, "x"); version != 24 || got.Text != "text 24" {
			t.Errorf("stands at %d and says %q, want 24", version, got.Text)
		}
		if err := r.LossMended(t.Context(), loss); err != nil {
			t.Fatal(err)
		}
		if err := r.CheckLoss(t.Context()); err != nil {
			t.Errorf("in the end: %v", err)
		}
	})
}
