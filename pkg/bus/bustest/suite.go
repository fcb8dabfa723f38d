// Package bustest is the conformance suite of the bus port: the clauses of docs/contract.md, section "The bus
// port", each a subtest or several, for any adapter and broker.
//
//	suite ──> bus.Conn (the adapter under test) ──> Network (cut, stall, heal) ──> Broker (restart)
//
// Every connection of the suite has a Network of its own, so that the suite can take it away from one member
// and leave it to the others.
package bustest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

// Network is the way of one connection to the broker. Its methods may be called concurrently. Link is a
// Network over TCP.
type Network interface {
	// Cut ends the connection. No new one is made until Heal.
	Cut()
	// Stall keeps the connection but lets nothing through, as a broken network does.
	Stall()
	// Slow lets everything through again, to the broker only after delay.
	Slow(delay time.Duration)
	// Heal ends a Cut, a Stall or a Slow.
	Heal()
}

// Broker is one running broker.
type Broker interface {
	// Open opens a connection under a client id over a Network of its own. It need not be connected yet. The
	// suite closes the connection; the Network ends with the test.
	Open(t *testing.T, clientID string) (bus.Conn, Network)
	// Restart stops the broker and starts it again.
	Restart() error
}

// Harness makes brokers for the suite.
type Harness struct {
	// Start starts a broker with an empty disk that ends with the test, keeps at most limit events
	// in a channel (0: all), and takes a client for dead within seconds. A connection that is dead
	// without a word must be noticed within seconds, too.
	Start func(t *testing.T, limit int) Broker
	// Within runs one clause, for a bus that needs surroundings, such as synctest.Test. nil: it needs none.
	Within func(t *testing.T, clause func(t *testing.T))
	// KeepsDisk: what was stored is still there after a Restart.
	KeepsDisk bool
	// InvalidChannels are names that this broker cannot store, and InvalidSubscriptions are what it cannot do. The
	// suite itself tries only what the port refuses.
	InvalidChannels      []string
	InvalidSubscriptions []bus.Subscription
}

// patience is how long the suite waits for what has to come. Nothing in it depends on things being fast.
const patience = 60 * time.Second

const (
	// againSoon is an AckWait short enough for a test to wait for the redelivery.
	againSoon = time.Second
	// neverAgain is an AckWait long enough for no redelivery to happen by itself while a test waits.
	neverAgain = 5 * time.Minute
)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	clauses := []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"01 a publish is stored before it returns", testPublishIsStored},
		{"01 a publish without an answer is an error", testPublishWithoutAnswer},
		{"01 what is sent is answered when it is stored", testSendIsAnswered},
		{"01 what is sent without an answer is an error", testSendWithoutAnswer},
		{"01 what is not wanted any more is not sent", testSendNotWanted},
		{"02 an invalid channel fails before any I/O", testInvalidChannel},
		{"03 a publish while disconnected fails and is not sent later", testPublishWhileDisconnected},
		{"04 a group replays everything and then resumes", testGroupResumes},
		{"05 what fails is redelivered after AckWait", testRedelivery},
		{"05 what is held is not given again", testHeldIsNotGivenAgain},
		{"06 a member that leaves hands over", testLeavingMemberHandsOver},
		{"06 a member that dies hands over", testDeadMemberHandsOver},
		{"07 every event reaches some member, one call at a time", testEveryEventReachesSomeMember},
		{"08 no event is lost when the broker restarts", testRestartLosesNothing},
		{"09 Close waits for handlers and their acks", testCloseWaits},
		{"09 Close that may not wait leaves at once", testCloseAtOnce},
		{"09 closing a connection closes its members", testCloseConnection},
		{"10 members come back after a restart", testRestart},
		{"10 members come back after a cut", testCut},
		{"10 members come back after silence", testSilence},
		{"10 a subscription waits for the broker", testSubscribeWaits},
		{"10 a plain subscription misses nothing", testPlainMissesNothing},
		{"11 loss by retention is seen", testLossIsSeen},
		{"11 the books of a channel", testBooks},
	}
	for _, clause := range clauses {
		t.Run(clause.name, func(t *testing.T) {
			t.Parallel()
			if h.Within == nil {
				clause.test(t, h)
				return
			}
			h.Within(t, func(t *testing.T) { clause.test(t, h) })
		})
	}
}

// open opens a connection over a network of its own and waits until it is connected. Both end with the test.
func open(t *testing.T, b Broker, clientID string) (bus.Conn, Network) {
	t.Helper()
	conn, network := b.Open(t, clientID)
	t.Cleanup(func() {
		// A test that has closed it already, or whose network is cut, has said all it has to say.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	awaitConnected(t, conn)
	return conn, network
}

func awaitConnected(t *testing.T, conn bus.Conn) {
	t.Helper()
	if err := conn.Connected(soon(t)); err != nil {
		t.Fatalf("not connected: %v", err)
	}
}

// awaitHealth polls, because the port has no event for it.
func awaitHealth(t *testing.T, conn bus.Conn, what string, ok func(bus.Health) bool) bus.Health {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok(conn.Health()) {
		if time.Now().After(deadline) {
			t.Fatalf("health never was %s: %+v", what, conn.Health())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return conn.Health()
}

func awaitDisconnected(t *testing.T, conn bus.Conn) {
	t.Helper()
	health := awaitHealth(t, conn, "disconnected", func(h bus.Health) bool { return !h.Connected })
	if health.Reason == "" {
		t.Error("health gives no reason for being disconnected")
	}
}

// soon is a context that ends when patience does.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func publish(t *testing.T, p bus.Publisher, channel string, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := p.Publish(soon(t), channel, fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatalf("publish %d: %v", i, err)
		}
	}
}

func subscribe(t *testing.T, s bus.Subscriber, spec bus.Subscription, h bus.Handler) bus.Member {
	t.Helper()
	member, err := s.Subscribe(soon(t), spec, h)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	return member
}

func closeMember(t *testing.T, m bus.Member) {
	t.Helper()
	if err := m.Close(soon(t)); err != nil {
		t.Fatalf("close the member: %v", err)
	}
}

func group(channel string, ackWait time.Duration) bus.Subscription {
	return bus.Subscription{Channel: channel, Group: "orders-service", Durable: "orders-service", AckWait: ackWait}
}
