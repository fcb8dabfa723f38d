package bustest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
)

func testLossIsSeen(t *testing.T, h Harness) {
	const limit = 10
	b := h.Start(t, limit)
	conn, _ := open(t, b, "member")

	// Given a group that has handled five events and is gone,
	got := newRecord()
	m := subscribe(t, conn, group("ticket:created", neverAgain), got.acks("member"))
	publish(t, conn, "ticket:created", 1, 5)
	got.awaitAll(t, 1, 5)
	closeMember(t, m)
	ch := readChannel(t, conn, "ticket:created")
	if lost := ch.Lost(ch.Durables[0]); lost != 0 {
		t.Errorf("%d events are lost before anything was", lost)
	}

	// when more are published than the channel keeps,
	publish(t, conn, "ticket:created", 6, 35)

	// then what the group has missed is known: 6 to 25.
	ch = readChannel(t, conn, "ticket:created")
	want := bus.Channel{
		Name: "ticket:created", Messages: limit, Bytes: ch.Bytes, FirstSeq: 26, LastSeq: 35,
		Durables: []bus.Durable{{Name: "orders-service", Group: "orders-service", LastSent: 5}},
	}
	if diff := cmp.Diff(want, ch); diff != "" {
		t.Errorf("the channel (-want +got):\n%s", diff)
	}
	if lost := ch.Lost(ch.Durables[0]); lost != 20 {
		t.Errorf("%d events are lost, want 20", lost)
	}

	// A member that sees numbers jump because others got the rest has lost nothing.
	first, second := newRecord(), newRecord()
	subscribe(t, conn, group("order:created", neverAgain), first.acks("first"))
	subscribe(t, conn, group("order:created", neverAgain), second.acks("second"))
	publish(t, conn, "order:created", 1, limit)
	awaitNoLag(t, conn, "order:created")
	ch = readChannel(t, conn, "order:created")
	if lost := ch.Lost(ch.Durables[0]); lost != 0 || ch.Durables[0].LastSent != limit {
		t.Errorf("%d events are lost up to %d, want none up to %d", lost, ch.Durables[0].LastSent, limit)
	}
}

func testBooks(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, _ := open(t, b, "member")

	// A channel that does not exist is empty.
	if diff := cmp.Diff(bus.Channel{Name: "nothing"}, readChannel(t, conn, "nothing")); diff != "" {
		t.Errorf("a channel that does not exist (-want +got):\n%s", diff)
	}

	// Given events of which a group of two members holds some, and which another group has left,
	publish(t, conn, "ticket:created", 1, 10)
	publish(t, conn, "order:created", 1, 1)
	held, done := newRecord(), newRecord()
	spec := group("ticket:created", neverAgain)
	spec.MaxInflight = 3
	subscribe(t, conn, spec, held.keeps("first"))
	subscribe(t, conn, spec, held.keeps("second"))
	held.awaitCount(t, 6)
	away := bus.Subscription{Channel: "ticket:created", Group: "away", Durable: "away", AckWait: neverAgain}
	m := subscribe(t, conn, away, done.acks("away"))
	done.awaitAll(t, 1, 10)
	closeMember(t, m)
	// and a plain subscription, which has no position,
	subscribe(t, conn, bus.Subscription{Channel: "ticket:created"}, newRecord().acks("plain"))

	// then the books say so.
	channels, err := conn.Channels(soon(t))
	if err != nil {
		t.Fatalf("read the channels: %v", err)
	}
	var names []string
	for _, ch := range channels {
		names = append(names, ch.Name)
	}
	if diff := cmp.Diff([]string{"order:created", "ticket:created"}, names); diff != "" {
		t.Fatalf("channels (-want +got):\n%s", diff)
	}
	ch := channels[1]
	want := []bus.Durable{
		{Name: "away", Group: "away", LastSent: 10},
		{Name: "orders-service", Group: "orders-service", LastSent: 6, Pending: 6, Members: 2},
	}
	if diff := cmp.Diff(want, ch.Durables); diff != "" {
		t.Errorf("durables (-want +got):\n%s", diff)
	}
	var lags []string
	for _, d := range ch.Durables {
		lags = append(lags, fmt.Sprintf("%s %d", d.Name, ch.Lag(d)))
	}
	if diff := cmp.Diff([]string{"away 0", "orders-service 10"}, lags); diff != "" {
		t.Errorf("lags (-want +got):\n%s", diff)
	}
	for _, d := range held.all() {
		d.settle(nil) // so that closing does not have to wait for them
	}
}

func readChannel(t *testing.T, i bus.Inspector, name string) bus.Channel {
	t.Helper()
	ch, err := i.Channel(soon(t), name)
	if err != nil {
		t.Fatalf("read channel %s: %v", name, err)
	}
	if ch.Messages > 0 && ch.Bytes == 0 {
		t.Errorf("channel %s has events without bytes", name)
	}
	return ch
}
