package local

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

// The walk through the README: two people, one ticket.
func TestTheStoryOfATicket(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	alice, bob := signUp(t, s, "alice"), signUp(t, s, "bob")

	// given a ticket of alice's, changed once
	var sold ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	alice.must("PUT", "/api/tickets/"+string(sold.ID), draft("concert, front row", 50), http.StatusOK, &sold)
	bob.must("PUT", "/api/tickets/"+string(sold.ID), draft("mine", 1), http.StatusForbidden, nil)
	awaitReplica(t, s, sold)

	// when bob orders it, then nobody else can
	var first order
	wish := map[string]any{"ticketId": sold.ID}
	bob.must("POST", "/api/orders", wish, http.StatusCreated, &first)
	alice.must("POST", "/api/orders", wish, http.StatusConflict, nil)
	bob.must("POST", "/api/orders", wish, http.StatusConflict, nil)
	if first.Ticket.Price != "50" || first.Ticket.Title != "concert, front row" {
		t.Errorf("the order is for %+v", first.Ticket)
	}
	alice.must("GET", "/api/orders/"+string(first.ID), nil, http.StatusForbidden, nil)

	// and when he cancels, then it is free again
	bob.must("DELETE", "/api/orders/"+string(first.ID), nil, http.StatusNoContent, nil)
	var second order
	alice.must("POST", "/api/orders", wish, http.StatusCreated, &second)
	var his []order
	bob.must("GET", "/api/orders", nil, http.StatusOK, &his)
	if len(his) != 1 || his[0].ID != first.ID || his[0].Status != "cancelled" {
		t.Errorf("bob's orders are %+v", his)
	}

	// and tickets knows who holds it, and lets nobody change it
	eventually(t, "the ticket is alice's", func() bool {
		alice.must("GET", "/api/tickets/"+string(sold.ID), nil, http.StatusOK, &sold)
		return sold.OrderID == second.ID && sold.Status == "reserved"
	})
	alice.must("PUT", "/api/tickets/"+string(sold.ID), draft("concert", 90), http.StatusConflict, nil)

	// and the bus has every version of all of them
	counts := map[string]uint64{}
	conn := connect(t, s, "spectator")
	for subject, want := range map[event.Subject]uint64{
		event.SubjectTicketCreated: 1, event.SubjectTicketUpdated: uint64(sold.Version),
		event.SubjectOrderCreated: 2, event.SubjectOrderCancelled: 1,
	} {
		eventually(t, "the events of "+string(subject), func() bool {
			channel, err := conn.Channel(t.Context(), string(subject))
			counts[string(subject)] = channel.LastSeq
			return err == nil && channel.LastSeq == want
		})
	}
}

// An order is paid, after a card that is declined; then it is complete, its ticket is sold, and none of that is undone.
func TestAnOrderIsPaid(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	alice, bob := signUp(t, s, "alice"), signUp(t, s, "bob")
	var sold ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	awaitReplica(t, s, sold)
	var his order
	bob.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusCreated, &his)
	pay := func(p *user, token string, status int) {
		eventually(t, "payments has seen the order", func() bool {
			got, err := p.do("GET", "/api/payments?orderId="+string(his.ID), nil, nil)
			return err == nil && got != http.StatusNotFound
		})
		p.must("POST", "/api/payments", map[string]any{"token": token, "orderId": his.ID}, status, nil)
	}
	pay(alice, "tok_visa", http.StatusForbidden)
	pay(bob, "tok_chargeDeclined", http.StatusBadRequest)
	pay(bob, "tok_visa", http.StatusCreated)
	eventually(t, "the order is complete", func() bool {
		bob.must("GET", "/api/orders/"+string(his.ID), nil, http.StatusOK, &his)
		return his.Status == "complete"
	})
	eventually(t, "the ticket is sold", func() bool {
		alice.must("GET", "/api/tickets/"+string(sold.ID), nil, http.StatusOK, &sold)
		return sold.Status == "sold" && sold.OrderID == his.ID
	})
	bob.must("DELETE", "/api/orders/"+string(his.ID), nil, http.StatusConflict, nil)
	pay(bob, "tok_visa", http.StatusCreated) // a double click
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusConflict, nil)
}

// An order that nobody pays gives its ticket back.
func TestAnOrderExpires(t *testing.T) {
	cfg := testConfig(t)
	cfg.OrderWindow = 500 * time.Millisecond
	s, _ := startSystem(t, cfg, discard())
	alice := signUp(t, s, "alice")
	var sold ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	awaitReplica(t, s, sold)
	var mine order
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusCreated, &mine)
	eventually(t, "the order is cancelled", func() bool {
		alice.must("GET", "/api/orders/"+string(mine.ID), nil, http.StatusOK, &mine)
		return mine.Status == "cancelled"
	})
	eventually(t, "the ticket is free", func() bool {
		alice.must("GET", "/api/tickets/"+string(sold.ID), nil, http.StatusOK, &sold)
		return sold.Status == "free"
	})
}

func TestAStopAndAStartResume(t *testing.T) {
	// given a system with a session, a ticket and an order
	cfg := testConfig(t)
	s, stop := startSystem(t, cfg, discard())
	alice := signUp(t, s, "alice")
	var before ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &before)
	awaitReplica(t, s, before)
	var held order
	alice.must("POST", "/api/orders", map[string]any{"ticketId": before.ID}, http.StatusCreated, &held)
	before.Version, before.OrderID, before.Status = 1, held.ID, "reserved"
	awaitReplica(t, s, before)
	// when it is stopped and started, on other ports
	stop()
	s, _ = startSystem(t, cfg, discard())
	alice.base = s.GatewayURL() // cookies hold for the host, whatever the port
	// then all of it is there, and events go on
	var after ticket
	alice.must("GET", "/api/tickets/"+string(before.ID), nil, http.StatusOK, &after)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the ticket (-before +after):\n%s", diff)
	}
	alice.must("GET", "/api/orders/"+string(held.ID), nil, http.StatusOK, &held)
	alice.must("PUT", "/api/tickets/"+string(before.ID), draft("concert", 30), http.StatusConflict, nil)
	alice.must("DELETE", "/api/orders/"+string(held.ID), nil, http.StatusNoContent, nil)
	eventually(t, "the ticket is free", func() bool {
		alice.must("GET", "/api/tickets/"+string(before.ID), nil, http.StatusOK, &after)
		return after.Status == "free"
	})
	awaitReplica(t, s, after)
	channel, err := connect(t, s, "spectator").Channel(t.Context(), string(event.SubjectTicketCreated))
	if err != nil || channel.LastSeq != 1 {
		t.Errorf("ticket:created ends at %d, %v; want the one event, not published again", channel.LastSeq, err)
	}
}

// The publisher of the NATS Streaming tutorial sends an event without version and user: parked, not lost.
func TestTheTutorialsEventIsParked(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	conn := connect(t, s, "tutorial")
	data := []byte(`{"id":"123","title":"concert","price":20}`)
	if err := conn.Publish(t.Context(), string(event.SubjectTicketCreated), data); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event is parked", func() bool { return len(parked(t, s)) == 1 })
	got := parked(t, s)[0]
	if string(got.Data) != string(data) || got.Reason != "poison" || got.Channel != "ticket:created" || got.Sequence != 1 {
		t.Errorf("parked %+v", got)
	}
	awaitLag(t, conn, event.SubjectTicketCreated)
}

// A payload of 1 MiB is poison like any other.
func TestAPayloadOfAMebibyteBlocksNobody(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	conn := connect(t, s, "tutorial")
	huge := make([]byte, 1<<20)
	if err := conn.Publish(t.Context(), string(event.SubjectTicketUpdated), huge); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is parked", func() bool { return len(parked(t, s)) == 1 })
	awaitLag(t, conn, event.SubjectTicketUpdated)
	var behind ticket
	signUp(t, s, "alice").must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &behind)
	awaitReplica(t, s, behind)
}
