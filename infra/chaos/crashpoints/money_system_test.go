package crashpoints

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

// What the system test does.
const (
	clients    = 32
	mostOrders = 500
	window     = 4 * time.Second // so that what nobody pays expires during the test
)

// A person buys tickets and does with the orders whatever people do, while services die.
type person struct {
	w       *world
	session string
	dice    *rand.Rand
}

// send sends a request to a service until it is answered by anything but 5xx and these statuses, as a patient client does.
func (p *person) send(role string, r servicetest.Request, again ...int) servicetest.Answer {
	r.Session = p.session
	if r.Body != "" {
		r.Media = servicetest.JSON
	}
	server := servicetest.Server{Addr: p.w.members[role].http}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		answer, err := server.Send(r)
		if err == nil && answer.Status < 500 && !slices.Contains(again, answer.Status) {
			return answer
		}
	}
	p.w.t.Errorf("%s: no answer of %s", r.Line, role)
	return servicetest.Answer{}
}

// buy sells a ticket to itself and does something with the order.
func (p *person) buy(n int) {
	ticket := p.send(roleTickets, servicetest.Request{Line: "POST /api/tickets", Body: fmt.Sprintf(`{"title":"ticket %d","price":%d.%02d}`, n, 1+n%90, n%100)})
	id := servicetest.Decode[struct{ ID event.ID }](p.w.t, ticket).ID
	wish := servicetest.Request{Line: "POST /api/orders", Body: fmt.Sprintf(`{"ticketId":%q}`, id)}
	answer := p.send(roleOrders, wish, http.StatusNotFound)
	if answer.Status != http.StatusCreated { // an answer was lost, and the order is there
		return
	}
	order := servicetest.Decode[struct{ ID event.ID }](p.w.t, answer).ID
	pay := func(token string) {
		p.send(rolePayments, servicetest.Request{Line: "POST /api/payments", Body: fmt.Sprintf(`{"token":%q,"orderId":%q}`, token, order)}, http.StatusNotFound)
	}
	cancel := func() { p.send(roleOrders, servicetest.Request{Line: "DELETE /api/orders/" + string(order)}) }
	switch p.dice.IntN(7) {
	case 0:
		pay("tok_visa")
	case 1:
		pay("tok_chargeDeclined")
		pay("tok_visa")
	case 2:
		pay("tok_chargeDeclined") // and leaves it to expire
	case 3:
		pay("tok_lost")
	case 4:
		cancel()
	case 5:
		var both sync.WaitGroup
		both.Go(func() { pay("tok_visa") })
		both.Go(cancel)
		both.Wait()
	case 6: // and never comes back
	}
}

// 500 orders of 32 clients are paid, declined, cancelled, or left to expire, while every service is killed again and again.
// In the end tickets, orders and the provider's books agree, to the cent.
func TestMoneyAndSeatsOfAWholeSystem(t *testing.T) {
	onEach(t, func(t *testing.T, e engine) {
		w := startMembers(t, e, []string{"ORDER_WINDOW=" + window.String(), "PAYMENT_PATIENCE=1s"}, roleTickets, roleOrders, rolePayments, roleExpiration)
		var made atomic.Int64
		var buying sync.WaitGroup
		bought := make(chan struct{})
		for c := range clients {
			p := &person{w, servicetest.SignInAt(t, event.NewID(time.Now()), time.Now()), rand.New(rand.NewPCG(1, uint64(c)))}
			buying.Go(func() {
				for n := made.Add(1); n <= mostOrders && !t.Failed(); n = made.Add(1) {
					p.buy(int(n))
				}
			})
		}
		go func() { buying.Wait(); close(bought) }()
		kills := w.killInTurn(bought)
		for _, m := range w.members {
			w.awaitReady(m)
		}
		end := w.awaitAgreement(t)
		sold := 0
		for _, ticket := range end.Tickets.Own {
			if ticket.Sold {
				sold++
			}
		}
		t.Logf("%d kills; %d tickets, %d orders, %d sold, %d charges kept", kills, len(end.Tickets.Own), len(end.Orders.Own), sold, len(end.Money))
	})
}

// killInTurn kills one service after the other until done, each once at least. The next one dies when the last one is
// ready again, so that all of them go on for a while.
func (w *world) killInTurn(done <-chan struct{}) (kills int) {
	turn := []string{roleTickets, rolePayments, roleOrders, roleExpiration}
	for {
		select {
		case <-done:
			if kills >= len(turn) {
				return kills
			}
		case <-time.After(100 * time.Millisecond):
		}
		m := w.members[turn[kills%len(turn)]]
		m.process.Kill()
		w.start(m, "")
		w.awaitReady(m)
		kills++
	}
}

// awaitAgreement waits until nothing is on its way, no order can be paid any more, and all agree. It returns what tickets
// and orders hold, and what the provider keeps.
func (w *world) awaitAgreement(t *testing.T) (e check.Evidence) {
	t.Helper()
	var differences []check.Finding
	var reason error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, reason = w.quiet(); reason != nil {
			continue
		}
		e = check.Evidence{}
		for role, books := range map[string]*check.Books{
			roleTickets: &e.Tickets, roleOrders: &e.Orders, rolePayments: &e.Payments, roleExpiration: &e.Expiration,
		} {
			w.read(role, "/books", books)
		}
		w.read(rolePayments, "/money", &e.Money)
		differences = slices.Concat(check.Paid(e), check.Seats(e.Tickets, e.Orders), check.Holders(e.Orders),
			check.Replicas("orders", e.Tickets, e.Orders), check.Replicas("tickets", e.Orders, e.Tickets))
		if len(differences) == 0 {
			return e
		}
	}
	t.Fatalf("they do not agree: %v, %.2000v", reason, differences)
	return e
}

// read reads what a service answers on its admin listener.
func (w *world) read(role, path string, into any) {
	w.t.Helper()
	status, body, err := w.ask(http.MethodGet, w.members[role], path)
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(body, into)
	}
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("%s of %s: %d %.200s, %v", path, role, status, body, err)
	}
}
