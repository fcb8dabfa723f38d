package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

var errHandler = errors.New("the handler has failed")

func testGroupResumes(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	publisher, _ := open(t, b, "publisher")
	publish(t, publisher, "ticket:created", 1, 10)

	// When a group subscribes for the first time, then it gets everything.
	first, _ := open(t, b, "first")
	got := newRecord()
	member := subscribe(t, first, group("ticket:created", neverAgain), got.acks("first"))
	got.awaitAll(t, 1, 10)

	// When all its members are gone, one by closing and one with its connection,
	closeMember(t, member)
	second, _ := open(t, b, "second")
	subscribe(t, second, group("ticket:created", neverAgain), newRecord().acks("second"))
	if err := second.Close(soon(t)); err != nil {
		t.Fatalf("close the connection: %v", err)
	}
	publish(t, publisher, "ticket:created", 11, 15)

	// then a later member goes on where the group stood.
	third, _ := open(t, b, "third")
	rest := newRecord()
	subscribe(t, third, group("ticket:created", neverAgain), rest.acks("third"))
	rest.awaitAll(t, 11, 15)
	publish(t, publisher, "ticket:created", 16, 16)
	for _, d := range rest.awaitAll(t, 16, 16) {
		if d.Sequence <= 10 {
			t.Errorf("event %d came again to the group that had acked it", d.Sequence)
		}
	}

	// And another group starts from the beginning.
	other := newRecord()
	spec := bus.Subscription{Channel: "ticket:created", Group: "other-service", Durable: "other-service"}
	subscribe(t, third, spec, other.acks("other"))
	other.awaitAll(t, 1, 16)
}

func testRedelivery(t *testing.T, h Harness) {
	const ackWait = againSoon
	b := h.Start(t, 0)
	publisher, _ := open(t, b, "publisher")
	first, _ := open(t, b, "first")
	second, _ := open(t, b, "second")

	// Given two members that fail at whatever comes for the first time,
	got := newRecord()
	var attempts atomic.Int64
	fails := func(bus.Message) error {
		if attempts.Add(1) == 1 {
			return errHandler
		}
		return nil
	}
	subscribe(t, first, group("ticket:created", ackWait), got.answers("first", fails))
	subscribe(t, second, group("ticket:created", ackWait), got.answers("second", fails))

	// when an event is published,
	before := time.Now()
	publish(t, publisher, "ticket:created", 1, 1)

	// then one of them gets it again, and not too soon: the broker cannot have sent it before it was
	// published.
	again := got.awaitCount(t, 2)[1]
	if waited := again.at.Sub(before); waited < ackWait-20*time.Millisecond {
		t.Errorf("redelivered after %v, want at least AckWait (%v) less 20 ms", waited, ackWait)
	}
	if again.Attempt < 2 {
		t.Errorf("the redelivery says that it is attempt %d", again.Attempt)
	}
	if first := got.all()[0]; first.Attempt != 1 {
		t.Errorf("the first delivery says that it is attempt %d", first.Attempt)
	}
	if again.Sequence != 1 || string(again.Data) != "1" || again.Channel != "ticket:created" || again.Time.IsZero() {
		t.Errorf("the redelivery is not the event: %+v", again.Message)
	}
}

func testHeldIsNotGivenAgain(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, _ := open(t, b, "member")

	// Given a member of a group and a plain one, which hold the first event and fail at the second,
	var held []*holder
	for _, spec := range []bus.Subscription{
		group("ticket:created", againSoon),
		{Channel: "order:created", AckWait: againSoon},
	} {
		one := &holder{record: newRecord()}
		one.member = subscribe(t, conn, spec, one.handle)
		held = append(held, one)
		publish(t, conn, spec.Channel, 1, 2)
	}
	for _, one := range held {
		// when the second, which the broker has sent after the first, comes again, then the first does not.
		one.awaitTimes(t, "2", 2)
		first := one.times("1")
		if len(first) != 1 {
			t.Fatalf("event 1 was given %d times while it was held", len(first))
		}
		// When the first fails, then it comes again, and Close waits for that one, not for the copies.
		first[0].settle(errHandler)
		one.awaitTimes(t, "1", 2)[1].settle(nil)
		closeMember(t, one.member)
	}
	// Each event of both was sent twice at the least, and the second time counts.
	if n := conn.Health().Redelivered; n < 4 {
		t.Errorf("%d messages came again, want at least 4", n)
	}
}

// holder is a member that fails at event 2 and leaves the first two deliveries of event 1 to the test.
type holder struct {
	*record
	member bus.Member
}

func (h *holder) handle(ctx context.Context, m bus.Message, settle bus.Settle) {
	h.keeps("holder")(ctx, m, settle)
	switch {
	case string(m.Data) == "2":
		settle(errHandler)
	case len(h.times("1")) > 2:
		settle(nil) // sent before the ack of the one before has arrived
	}
}

// times picks the deliveries of one payload.
func (h *holder) times(payload string) []delivery {
	return slices.DeleteFunc(h.all(), func(d delivery) bool { return string(d.Data) != payload })
}

func (h *holder) awaitTimes(t *testing.T, payload string, n int) []delivery {
	t.Helper()
	h.await(t, fmt.Sprintf("event %s %d times", payload, n), func([]delivery) bool { return len(h.times(payload)) >= n })
	return h.times(payload)
}

// holdings gives a member n events that it does not settle, in a group whose other member has come after.
func holdings(t *testing.T, b Broker, n int) (holder bus.Conn, holderLink Network, m bus.Member, held, other *record) {
	t.Helper()
	publisher, _ := open(t, b, "publisher")
	holder, holderLink = open(t, b, "holder")
	held = newRecord()
	m = subscribe(t, holder, group("ticket:created", neverAgain), held.keeps("holder"))
	publish(t, publisher, "ticket:created", 1, n)
	held.awaitAll(t, 1, n)

	heir, _ := open(t, b, "heir")
	other = newRecord()
	subscribe(t, heir, group("ticket:created", neverAgain), other.acks("heir"))
	return holder, holderLink, m, held, other
}

func testLeavingMemberHandsOver(t *testing.T, h Harness) {
	// Given a member that holds events and settles half of them, by failing,
	_, _, m, held, other := holdings(t, h.Start(t, 0), 10)
	for _, d := range held.all()[:5] {
		d.settle(errHandler)
	}
	for _, d := range held.all()[5:] {
		d.settle(nil)
	}
	// when it leaves, then the other member gets the ones that were not acked, long before AckWait.
	closeMember(t, m)
	for _, d := range other.awaitAll(t, 1, 5) {
		if d.Sequence > 5 {
			t.Errorf("event %d had been acked and came again", d.Sequence)
		}
	}
}

func testDeadMemberHandsOver(t *testing.T, h Harness) {
	// Given a member that holds events,
	_, link, _, held, other := holdings(t, h.Start(t, 0), 10)
	// when it falls off the network, then the other member gets them, long before AckWait.
	link.Stall()
	other.awaitAll(t, 1, 10)
	// What the dead one settles after all harms nobody.
	for _, d := range held.all() {
		d.settle(nil)
		d.settle(nil)
	}
	link.Cut()
}

func testEveryEventReachesSomeMember(t *testing.T, h Harness) {
	const events, members = 300, 3
	b := h.Start(t, 0)

	// Given members that note when two calls of one of them overlap,
	got := newRecord()
	for i := range members {
		name := fmt.Sprintf("member-%d", i)
		conn, _ := open(t, b, name)
		var calling sync.Mutex
		inner := got.answers(name, func(bus.Message) error {
			if !calling.TryLock() {
				t.Errorf("two calls of %s overlap", name)
				return nil
			}
			defer calling.Unlock()
			time.Sleep(100 * time.Microsecond) // work, so that calls could overlap
			return nil
		})
		subscribe(t, conn, group("ticket:created", neverAgain), inner)
	}

	// when events are published, then each reaches some member; in what order is not promised.
	publisher, _ := open(t, b, "publisher")
	publish(t, publisher, "ticket:created", 1, events)
	all := got.awaitAll(t, 1, events)
	var names []string
	for _, d := range all {
		if !slices.Contains(names, d.member) {
			names = append(names, d.member)
		}
	}
	if len(names) < 2 {
		t.Errorf("only %v got events, want the group to share them", names)
	}
}
