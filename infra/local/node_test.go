//go:build node

package local

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/identity"
	"ticketing/services/auth"
	"ticketing/services/expiration"
	"ticketing/services/orders"
	"ticketing/services/payments"
	"ticketing/services/tickets"
)

// startBeside runs a system in which the Node.js version has the place of some services. They need `npm install` in
// node/: `make test-node` does that.
func startBeside(t *testing.T, window time.Duration, places ...string) *System {
	t.Helper()
	cfg := testConfig(t)
	cfg.OrderWindow, cfg.without, cfg.JWTKey = window, places, strings.Repeat("k", 32)
	cfg.SessionCookie = nodeCookie
	s, _ := startSystem(t, cfg, discard())
	for _, name := range places {
		cmd := exec.CommandContext(t.Context(), "node", name+".js")
		cmd.Dir = "node"
		cmd.Env = append(os.Environ(), "NATS_URL="+s.NATSURL(), "JWT_KEY="+cfg.JWTKey, "ORDER_WINDOW_SECONDS="+seconds(window))
		program := runScript(t, cmd)
		t.Cleanup(program.end)
		program.await("ready ")
		go func() { // what it says from now on is of no interest, but has to be read
			for range program.lines {
			}
		}()
		ready := program.seen[slices.IndexFunc(program.seen, func(line string) bool { return strings.HasPrefix(line, "ready ") })]
		address, err := url.Parse(strings.TrimPrefix(ready, "ready "))
		if err != nil {
			t.Fatal(err)
		}
		path := "/api/" + strings.Replace(name, auth.Name, "users", 1)
		u := s.gateway.add(path, httputil.NewSingleHostReverseProxy(address))
		t.Cleanup(func() { s.gateway.remove(path, u) })
	}
	return s
}

// nodeCookie is the name of the session cookie in cookie-session 1.x.
const nodeCookie = "express:sess"

// browser lets a client keep the Node services' cookie: net/http takes no name with a colon.
type browser struct{ http.RoundTripper }

func (b browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	rename(r.Header["Cookie"], identity.CookieName, nodeCookie)
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		rename(answer.Header["Set-Cookie"], nodeCookie, identity.CookieName)
	}
	return answer, err
}

func rename(cookies []string, from, to string) {
	for i, cookie := range cookies {
		cookies[i] = strings.Replace(cookie, from+"=", to+"=", 1)
	}
}

func seconds(d time.Duration) string {
	text, _ := json.Marshal(d.Seconds())
	return string(text)
}

// nobodyParks finds that no service has set an event aside.
func nobodyParks(t *testing.T, s *System) {
	t.Helper()
	for _, m := range s.members {
		if m.service.Name == auth.Name {
			continue
		}
		for _, kind := range []string{"ticket", "order", "expiration", "payment"} {
			replica := m.service.Replica(kind)
			if replica == nil {
				continue
			}
			if entries, _, err := replica.Parking().List(t.Context(), "", 10); err != nil || len(entries) > 0 {
				t.Errorf("%s has parked %+v, %v", m.name, entries, err)
			}
		}
	}
}

// people are the seller and the buyer of a ticket.
func people(t *testing.T, s *System) (alice, bob *user, sold ticket) {
	t.Helper()
	alice, bob = visit(t, s), visit(t, s)
	alice.client.Transport, bob.client.Transport = browser{alice.client.Transport}, browser{bob.client.Transport}
	alice.signUp("alice")
	bob.signUp("bob")
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	return alice, bob, sold
}

// buy orders a ticket as soon as its existence is known.
func buy(t *testing.T, u *user, id event.ID) (o order) {
	t.Helper()
	eventually(t, "the ticket can be ordered", func() bool {
		status, err := u.do("POST", "/api/orders", map[string]any{"ticketId": id}, &o)
		return err == nil && status == http.StatusCreated
	})
	return o
}

// pay pays as soon as the order is known.
func pay(t *testing.T, u *user, id event.ID) {
	t.Helper()
	eventually(t, "the order can be paid", func() bool {
		status, err := u.do("POST", "/api/payments", map[string]any{"token": "tok_visa", "orderId": id}, nil)
		return err == nil && status == http.StatusCreated
	})
}

func awaitOrder(t *testing.T, u *user, id event.ID, status string) {
	t.Helper()
	eventually(t, "the order is "+status, func() bool {
		var now order
		u.must("GET", "/api/orders/"+string(id), nil, http.StatusOK, &now)
		return now.Status == status
	})
}

func awaitTicket(t *testing.T, u *user, id event.ID, status string, holder event.ID) {
	t.Helper()
	eventually(t, "the ticket is "+status, func() bool {
		var now ticket
		u.must("GET", "/api/tickets/"+string(id), nil, http.StatusOK, &now)
		return (status == "" || now.Status == status) && now.OrderID == holder
	})
}

// The Node expiration and payments beside our orders: what is over is cancelled, what is paid is complete for good.
func TestNodeExpirationAndPaymentsBesideOurOrders(t *testing.T) {
	s := startBeside(t, 5*time.Second, expiration.Name, payments.Name)
	alice, bob, sold := people(t, s)
	var left ticket
	alice.must("POST", "/api/tickets", draft("opera", 20), http.StatusCreated, &left)
	paid, over := buy(t, bob, sold.ID), buy(t, bob, left.ID)
	pay(t, bob, paid.ID)
	awaitOrder(t, bob, paid.ID, "complete")
	bob.must("DELETE", "/api/orders/"+string(paid.ID), nil, http.StatusConflict, nil)
	awaitTicket(t, alice, sold.ID, "sold", paid.ID)
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusConflict, nil)
	awaitOrder(t, bob, over.ID, "cancelled")
	awaitTicket(t, alice, left.ID, "free", "")
	bob.must("POST", "/api/payments", map[string]any{"token": "tok_visa", "orderId": over.ID}, http.StatusBadRequest, nil)
	// and what was paid stays so when its time is over
	awaitOrder(t, bob, paid.ID, "complete")
	awaitTicket(t, alice, sold.ID, "sold", paid.ID)
	nobodyParks(t, s)
}

// Our expiration, payments and tickets beside the Node orders.
func TestOurServicesBesideNodeOrders(t *testing.T) {
	s := startBeside(t, 6*time.Second, orders.Name)
	alice, bob, sold := people(t, s)
	status := func(id event.ID) string {
		var shown []struct{ Status string }
		bob.must("GET", "/api/payments?orderId="+string(id), nil, http.StatusOK, &shown)
		if len(shown) == 0 {
			return ""
		}
		return shown[0].Status
	}
	// given an order that is cancelled, and another one that has its ticket since
	first := buy(t, bob, sold.ID)
	awaitTicket(t, alice, sold.ID, "reserved", first.ID)
	bob.must("DELETE", "/api/orders/"+string(first.ID), nil, http.StatusNoContent, nil)
	second := buy(t, bob, sold.ID)
	awaitTicket(t, alice, sold.ID, "reserved", second.ID)
	// when somebody says that the first one's time is over, then it is cancelled for a second time, and the ticket stays
	fact, err := event.Encode(event.ExpirationComplete{OrderID: first.ID})
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s, "somebody")
	if err := conn.Publish(t.Context(), string(event.SubjectExpirationComplete), fact); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first one is cancelled twice", func() bool {
		channel, err := conn.Channel(t.Context(), string(event.SubjectOrderCancelled))
		left := uint64(0)
		for _, durable := range channel.Durables {
			left += channel.Lag(durable)
		}
		return err == nil && channel.LastSeq == 2 && left == 0
	})
	awaitTicket(t, alice, sold.ID, "reserved", second.ID)
	// when the second is paid, then it is complete without an event; and when it is cancelled all the same, the money and
	// the ticket come back
	pay(t, bob, second.ID)
	awaitOrder(t, bob, second.ID, "complete")
	if got := status(second.ID); got != "charged" {
		t.Errorf("the payment is %s", got)
	}
	bob.must("DELETE", "/api/orders/"+string(second.ID), nil, http.StatusNoContent, nil)
	eventually(t, "the money is returned", func() bool { return status(second.ID) == "refunded" })
	awaitTicket(t, alice, sold.ID, "free", "")
	// and an order that nobody pays is over
	third := buy(t, bob, sold.ID)
	awaitTicket(t, alice, sold.ID, "reserved", third.ID)
	awaitOrder(t, bob, third.ID, "cancelled")
	awaitTicket(t, alice, sold.ID, "free", "")
	bob.must("POST", "/api/payments", map[string]any{"token": "tok_visa", "orderId": third.ID}, http.StatusConflict, nil)
	nobodyParks(t, s)
}

// Our orders, payments and expiration beside the Node tickets.
func TestOurServicesBesideNodeTickets(t *testing.T) {
	s := startBeside(t, 15*time.Minute, tickets.Name)
	alice, bob, sold := people(t, s)
	first := buy(t, bob, sold.ID)
	awaitTicket(t, alice, sold.ID, "", first.ID)
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusConflict, nil)
	bob.must("DELETE", "/api/orders/"+string(first.ID), nil, http.StatusNoContent, nil)
	awaitTicket(t, alice, sold.ID, "", "")
	second := buy(t, bob, sold.ID)
	pay(t, bob, second.ID)
	awaitOrder(t, bob, second.ID, "complete")
	awaitTicket(t, alice, sold.ID, "", second.ID)
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusConflict, nil)
	nobodyParks(t, s)
}

// Our services beside the Node auth: who is signed in there is known here, until signing out there.
func TestOurServicesBesideNodeAuth(t *testing.T) {
	s := startBeside(t, 15*time.Minute, auth.Name)
	alice, bob, sold := people(t, s)
	first := buy(t, bob, sold.ID)
	pay(t, bob, first.ID)
	awaitTicket(t, alice, sold.ID, "sold", first.ID)
	status, page := 0, ""
	show := func() {
		answer, err := bob.client.Get(bob.base + "/orders/" + string(first.ID))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		status, page = answer.StatusCode, string(body)
	}
	if show(); status != http.StatusOK || !strings.Contains(page, "concert") || !strings.Contains(page, "bob@example.com") {
		t.Errorf("the page of bob's order: %d %s", status, page)
	}
	bob.must("POST", "/api/users/signout", map[string]string{}, http.StatusOK, nil)
	bob.must("GET", "/api/orders/"+string(first.ID), nil, http.StatusUnauthorized, nil)
	if show(); strings.Contains(page, "concert") {
		t.Errorf("the page of bob's order, of nobody: %d %s", status, page)
	}
	bob.must("POST", "/api/users/signin", map[string]string{"email": "bob@example.com", "password": "secret"}, http.StatusOK, nil)
	bob.must("GET", "/api/orders/"+string(first.ID), nil, http.StatusOK, nil)
	nobodyParks(t, s)
}
