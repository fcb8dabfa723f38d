package orders_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
)

// Two members on one store, asked by many at once: the unique key lets one order through, round after round.
func TestOneOfManyOrdersWins(t *testing.T) {
	const buyers, rounds = 32, 3
	s := start(t)
	second, _ := s.join(t, "orders-2")
	members := []*servicetest.Server{s.Server, second}
	sold := s.seeNew(t)
	var buyer [buyers]string
	for i := range buyer {
		buyer[i] = servicetest.SignIn(t, event.ID(fmt.Sprintf("65a00000000000000000%04x", i)))
	}
	for round := range rounds {
		// when all of them order the ticket at the same time
		var answers [buyers]servicetest.Answer
		var ordering errgroup.Group
		for i := range buyers {
			ordering.Go(func() (err error) {
				answers[i], err = members[i%2].Send(wish(buyer[i], sold.ID))
				return err
			})
		}
		if err := ordering.Wait(); err != nil {
			t.Fatal(err)
		}
		// then one has it, and gives it back for the next round
		winner := -1
		for i, answer := range answers {
			if answer.Status != 201 {
				answer.CheckProblem(t, 409, "ticketId")
				continue
			}
			if winner >= 0 {
				t.Fatalf("round %d: buyers %d and %d have the same ticket", round, winner, i)
			}
			winner = i
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody has the ticket", round)
		}
		won := servicetest.Decode[order](t, answers[winner])
		members[round%2].Expect(t, cancel(buyer[winner], won.ID), 204)
	}
	if stored := s.records(t); len(stored) != rounds {
		t.Errorf("%d orders are stored, want %d", len(stored), rounds)
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestAnOrderKeepsThePriceItReservedAt(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	// given a ticket that has changed once, and an order of it
	sold := s.seeNew(t)
	sold.Version, sold.Title, sold.Price = 1, "opera", 3000
	s.see(t, sold)
	mine := s.place(t, ann, sold.ID)
	if mine.Ticket.Title != "opera" || mine.Ticket.Price != 3000 || mine.Ticket.Version != 1 {
		t.Errorf("ordered %+v", mine.Ticket)
	}
	// when the ticket changes, then the order does not
	sold.Version, sold.Title, sold.Price = 2, "musical", 9900
	s.see(t, sold)
	kept := servicetest.Decode[order](t, s.Expect(t, show(session, mine.ID), 200))
	if diff := cmp.Diff(mine, kept); diff != "" {
		t.Errorf("the order (-before +after):\n%s", diff)
	}
	// and a new order is at the new price
	s.Expect(t, cancel(session, mine.ID), 204)
	if again := s.place(t, ann, sold.ID); again.Ticket.Title != "musical" || again.Ticket.Price != 9900 || again.Ticket.Version != 2 {
		t.Errorf("ordered again %+v", again.Ticket)
	}
}

// The tickets service says which order holds a ticket, later than orders itself knows it.
func TestATicketThatTicketsSaysIsHeld(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	t.Run("by an order that is unknown here", func(t *testing.T) {
		held := s.seeNew(t)
		held.Version, held.OrderID = 1, unknown
		s.see(t, held)
		s.MustSend(t, wish(session, held.ID)).CheckProblem(t, 409, "ticketId")
		held.Version, held.OrderID = 2, ""
		s.see(t, held)
		s.place(t, ann, held.ID)
	})
	t.Run("by an order that is live here", func(t *testing.T) {
		held := s.seeNew(t)
		mine := s.place(t, bob, held.ID)
		held.Version, held.OrderID = 1, mine.ID
		s.see(t, held)
		s.MustSend(t, wish(session, held.ID)).CheckProblem(t, 409, "ticketId")
	})
	t.Run("by an order that is live here, for another ticket", func(t *testing.T) {
		held := s.seeNew(t)
		held.Version, held.OrderID = 1, s.place(t, bob, s.seeNew(t).ID).ID
		s.see(t, held)
		s.MustSend(t, wish(session, held.ID)).CheckProblem(t, 409, "ticketId")
	})
	t.Run("by an order that cannot be read", func(t *testing.T) {
		held := s.seeNew(t)
		held.Version, held.OrderID = 1, s.place(t, bob, held.ID).ID
		s.see(t, held)
		s.store.AnswerGet(held.OrderID, store.ErrUnavailable)
		s.MustSend(t, wish(session, held.ID)).CheckProblem(t, 503, "")
	})
	t.Run("by an order that is cancelled here", func(t *testing.T) {
		held := s.seeNew(t)
		mine := s.place(t, ann, held.ID)
		held.Version, held.OrderID = 1, mine.ID
		s.see(t, held)
		s.Expect(t, cancel(session, mine.ID), 204)
		if again := s.place(t, bob, held.ID); again.Ticket.Version != 1 {
			t.Errorf("ordered %+v", again.Ticket)
		}
		// and then it is held by the second, whatever tickets still says of the first
		s.MustSend(t, wish(session, held.ID)).CheckProblem(t, 409, "ticketId")
	})
}

func TestATicketCanBeOrderedWhenItIsSeen(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := event.Ticket{ID: event.NewID(servicetest.Now()), Title: "concert", Price: 1, UserID: seller}
	s.MustSend(t, wish(session, sold.ID)).CheckProblem(t, 404, "ticketId")
	// an event that comes before its turn makes no ticket
	later := sold
	later.Version, later.Price = 1, 2
	s.tell(t, later)
	s.see(t, event.Ticket{ID: event.NewID(servicetest.Now()), Title: "behind it", Price: 1, UserID: seller})
	s.MustSend(t, wish(session, sold.ID)).CheckProblem(t, 404, "ticketId")
	// the one it waited for does
	s.tell(t, sold)
	servicetest.Eventually(t, "both are applied", func() bool { return s.hasSeen(t, later) })
	if mine := s.place(t, ann, sold.ID); mine.Ticket.Price != 2 || mine.Ticket.Version != 1 {
		t.Errorf("ordered %+v", mine.Ticket)
	}
}
