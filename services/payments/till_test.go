package payments_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
	"ticketing/services/payments"
)

const (
	ann      = event.ID("65a0000000000000000000aa")
	bob      = event.ID("65a0000000000000000000bb")
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
	patience = 3 * time.Second
)

// till is the payments service in a bubble, by the bubble's clock.
type till struct {
	*servicetest.Bubble
	db      store.Database
	line    line
	service *service.Service
	stop    func()
	opened  int
}

// line is the way to the provider, which can be cut.
type line struct {
	hangs, lies atomic.Bool
	cutFor      atomic.Value // the order about which nothing gets through, if any
	late        atomic.Int64 // how long after its maker's call a charge is made, if not 0
}

// cut is a provider at the end of a line.
type cut struct {
	payment.Provider
	*line
}

// Hear takes a report for one about the order that it names, if it is signed "yes".
func (cut) Hear(header http.Header, body []byte) (event.ID, error) {
	if header.Get("Signed") != "yes" {
		return "", errLine
	}
	return event.ParseID(string(body))
}

var errLine = errors.New("nonsense")

func (l *line) wait(ctx context.Context, o payment.Order) error {
	switch {
	case l.cutFor.Load() == o.ID:
		return errLine
	case l.hangs.Load():
		<-ctx.Done()
		return ctx.Err()
	case l.lies.Load():
		return errLine
	}
	return nil
}

func (l cut) Charge(ctx context.Context, o payment.Order, token string) (payment.Outcome, error) {
	if err := l.wait(ctx, o); err != nil {
		return payment.Outcome{}, err
	}
	if l.late.Load() != 0 {
		return l.chargeLate(ctx, o, token)
	}
	return l.Provider.Charge(ctx, o, token)
}

func (l cut) Ask(ctx context.Context, o payment.Order) (payment.Outcome, error) {
	if err := l.wait(ctx, o); err != nil {
		return payment.Outcome{}, err
	}
	return l.Provider.Ask(ctx, o)
}

func (l cut) Release(ctx context.Context, o payment.Order) (bool, error) {
	if err := l.wait(ctx, o); err != nil {
		return false, err
	}
	return l.Provider.Release(ctx, o)
}

func openTill(t *testing.T) *till {
	t.Helper()
	w := &till{Bubble: servicetest.NewBubble(t), db: memstore.New()}
	w.SetClock(time.Now)
	w.open(t)
	return w
}

// open opens an instance; one that is open already goes on beside it.
func (w *till) open(t *testing.T) {
	t.Helper()
	w.opened++
	w.service, w.stop = servicetest.Open(t, w.Bubble, payments.Name, fmt.Sprint("payments-", w.opened), w.db,
		payments.New(func(ctx context.Context, s *service.Service) (payment.Provider, error) {
			cards, err := testcards.Open(ctx, s.Store)
			return cut{cards, &w.line}, err
		}), payments.Config{Patience: patience})
}

// order publishes a new order of bob's over 15 minutes.
func (w *till) order(t *testing.T, price event.Price) event.ID {
	t.Helper()
	id := event.NewID(time.Now())
	servicetest.Publish(t, w.Bus, event.OrderCreated{ID: id, Status: event.OrderStatusCreated, UserID: bob,
		ExpiresAt: event.At(time.Now().Add(15 * time.Minute)), Ticket: event.OrderTicket{ID: ticketID, Price: price}})
	synctest.Wait()
	return id
}

func (w *till) cancel(t *testing.T, id event.ID, version event.Version) {
	t.Helper()
	servicetest.Publish(t, w.Bus, event.OrderCancelled{ID: id, Version: version, Ticket: event.TicketRef{ID: ticketID}})
	synctest.Wait()
}

func (w *till) session(t *testing.T, user event.ID) string {
	t.Helper()
	return servicetest.SignIn(t, user)
}

// pay asks to pay with a card of bob's.
func (w *till) pay(t *testing.T, id event.ID, token string) servicetest.Answer {
	t.Helper()
	return w.payAs(t, w.session(t, bob), fmt.Sprintf(`{"token":%q,"orderId":%q}`, token, id))
}

func (w *till) payAs(t *testing.T, session, body string) servicetest.Answer {
	t.Helper()
	return servicetest.Call(t, w.service.Handler(), servicetest.Request{
		Line: "POST /api/payments", Session: session, Media: servicetest.JSON, Body: body,
	})
}

func (w *till) mustPay(t *testing.T, id event.ID, token string) {
	t.Helper()
	if answer := w.pay(t, id, token); answer.Status != 201 || answer.Body != fmt.Sprintf(`{"id":%q}`, id) {
		t.Fatalf("%s: %d %s", token, answer.Status, answer.Body)
	}
}

// status is how the payment of an order is shown to bob; empty if it is not.
func (w *till) status(t *testing.T, id event.ID) string {
	t.Helper()
	answer := servicetest.Call(t, w.service.Handler(), servicetest.Request{
		Line: "GET /api/payments?orderId=" + string(id), Session: w.session(t, bob)})
	if answer.Status != 200 {
		t.Fatalf("show: %d %s", answer.Status, answer.Body)
	}
	var shown []struct{ Status string }
	if err := json.Unmarshal([]byte(answer.Body), &shown); err != nil || len(shown) > 1 {
		t.Fatalf("shown %s, %v", answer.Body, err)
	}
	if len(shown) == 0 {
		return ""
	}
	return shown[0].Status
}

// facts are the payments of an order that were published.
func (w *till) facts(t *testing.T, id event.ID) (facts []event.PaymentCreated) {
	t.Helper()
	channel, err := w.Bus.Channel(t.Context(), string(event.SubjectPaymentCreated))
	if err != nil || channel.LastSeq == 0 {
		return nil
	}
	for _, data := range servicetest.Published(t, w.Bus, event.SubjectPaymentCreated, 1) {
		fact, err := event.Decode[event.PaymentCreated](event.SubjectPaymentCreated, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if fact.OrderID == id {
			facts = append(facts, fact)
		}
	}
	return facts
}

// account is what the provider's books say of an order.
func (w *till) account(t *testing.T, id event.ID) (account testcards.Account) {
	t.Helper()
	books, err := w.db.Collection(t.Context(), store.Spec{Name: testcards.Collection})
	if err != nil {
		t.Fatal(err)
	}
	record, err := books.Get(t.Context(), string(id))
	if errors.Is(err, store.ErrNotFound) {
		return account
	}
	if err == nil {
		err = json.Unmarshal(record.State, &account)
	}
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// checkMoney finds that the provider has this much of an order's money, in cents.
func (w *till) checkMoney(t *testing.T, id event.ID, want int64) {
	t.Helper()
	account := w.account(t, id)
	got := account.Cents
	if account.Refunded {
		got = 0
	}
	if got != want {
		t.Errorf("%d cents are kept for order %s, want %d: %+v", got, id, want, account)
	}
}
