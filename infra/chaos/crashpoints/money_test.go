package crashpoints

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

const (
	buyer    = event.ID("65a0000000000000000000bb")
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
)

// onEach runs a test on bolt, and on MongoDB if MONGO_URI names a server.
func onEach(t *testing.T, test func(*testing.T, engine)) {
	t.Run("bolt", func(t *testing.T) { t.Parallel(); test(t, onBolt()) })
	if uri := os.Getenv("MONGO_URI"); uri != "" {
		t.Run("mongo", func(t *testing.T) { test(t, onMongo(uri)) })
	}
}

func publishOrder(t *testing.T, conn bus.Conn, expiresAt time.Time) event.ID {
	t.Helper()
	id := event.NewID(time.Now())
	servicetest.Publish(t, conn, event.OrderCreated{ID: id, Status: event.OrderStatusCreated, UserID: buyer,
		ExpiresAt: event.At(expiresAt), Ticket: event.OrderTicket{ID: ticketID, Price: 7840}})
	return id
}

// A payment whose process dies after the charge is found charged, and said to be, whoever died when. If the order is
// cancelled meanwhile, its money is returned.
func TestAChargeOutlivesACrash(t *testing.T) {
	onEach(t, func(t *testing.T, e engine) {
		w := startMembers(t, e, []string{"PAYMENT_PATIENCE=300ms"}, rolePayments)
		conn, victim := stantest.Connect(t, w.broker, "others"), w.members[rolePayments]
		server := servicetest.Server{Addr: victim.http}
		session := servicetest.SignInAt(t, buyer, time.Now())
		pay := func(id event.ID) servicetest.Request {
			return servicetest.Request{Line: "POST /api/payments", Session: session, Media: servicetest.JSON,
				Body: fmt.Sprintf(`{"token":"tok_visa","orderId":%q}`, id)}
		}
		show := func(id event.ID) servicetest.Request {
			return servicetest.Request{Line: "GET /api/payments?orderId=" + string(id), Session: session}
		}
		shown := func(id event.ID, status string) {
			t.Helper()
			servicetest.Eventually(t, "the payment is "+status, func() bool {
				answer := servicetest.Decode[[]struct{ Status string }](t, server.Expect(t, show(id), http.StatusOK))
				return len(answer) == 1 && answer[0].Status == status
			})
		}
		var paid []event.ID
		for round := range rounds {
			at := []point{chargedNotNoted, storedNotPublished, publishedNotForgotten}[round%3]
			// Or the trap would snap at an event of the round before, and nobody would pay in this one.
			servicetest.Eventually(t, "no event waits in the outbox", func() bool {
				var books check.Books
				return w.booksOf(rolePayments, &books) == nil && books.Waiting == 0
			})
			id := publishOrder(t, conn, time.Now().Add(time.Hour))
			servicetest.Eventually(t, "the order is seen", func() bool { return server.MustSend(t, show(id)).Status == http.StatusOK })
			w.setTrap(victim, fmt.Sprint(at, " 1"))
			if answer, err := server.Send(pay(id)); err == nil && answer.Status != http.StatusCreated {
				t.Fatalf("%s: %d %s", at, answer.Status, answer.Body)
			}
			w.awaitCrash(victim, at)
			if round%2 == 1 { // while nobody is there to hear of it
				servicetest.Publish(t, conn, event.OrderCancelled{ID: id, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
			}
			w.start(victim, "")
			w.awaitReady(victim)
			if round%2 == 1 {
				shown(id, "refunded")
				continue
			}
			shown(id, "charged")
			server.Expect(t, pay(id), http.StatusCreated)
			paid = append(paid, id)
		}
		servicetest.Eventually(t, "every payment is said to be made", func() bool {
			said := map[event.ID]bool{}
			for _, data := range servicetest.Published(t, conn, event.SubjectPaymentCreated, 1) {
				fact, err := event.Decode[event.PaymentCreated](event.SubjectPaymentCreated, []byte(data))
				if err != nil {
					t.Fatal(err)
				}
				said[fact.OrderID] = true
			}
			for _, id := range paid {
				if !said[id] {
					return false
				}
			}
			return true
		})
	})
}

// A deadline that has fired and is not forgotten yet fires for all, also if the process dies; no order is left out.
func TestADeadlineOutlivesACrash(t *testing.T) {
	onEach(t, func(t *testing.T, e engine) {
		w := startMembers(t, e, nil, roleExpiration)
		conn, victim := stantest.Connect(t, w.broker, "others"), w.members[roleExpiration]
		var all []event.ID
		for round := range rounds {
			at := []point{storedNotPublished, publishedNotForgotten, reactedNotApplied, appliedNotAcked}[round%4]
			w.setTrap(victim, fmt.Sprint(at, " 1"))
			for i := range 10 {
				all = append(all, publishOrder(t, conn, time.Now().Add(time.Duration(i)*20*time.Millisecond)))
			}
			w.awaitCrash(victim, at)
			w.start(victim, "")
			w.awaitReady(victim)
		}
		servicetest.Eventually(t, "the time of every order is over", func() bool {
			over := map[event.ID]bool{}
			for _, data := range servicetest.Published(t, conn, event.SubjectExpirationComplete, 1) {
				fact, err := event.Decode[event.ExpirationComplete](event.SubjectExpirationComplete, []byte(data))
				if err != nil {
					t.Fatal(err)
				}
				over[fact.OrderID] = true
			}
			return len(over) == len(all)
		})
	})
}
