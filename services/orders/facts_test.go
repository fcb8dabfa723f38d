package orders_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store/storetest/memstore"
	"ticketing/services/orders"
)

// till is an instance of the orders service in a bubble.
type till struct {
	*servicetest.Bubble
	service *service.Service
}

func openTill(t *testing.T) *till {
	t.Helper()
	bubble := servicetest.NewBubble(t)
	s, _ := servicetest.Open(t, bubble, orders.Name, "orders-1", memstore.New(), orders.New, orders.Config{Window: window})
	return &till{bubble, s}
}

// place makes an order of ann's for a ticket of its own.
func (w *till) place(t *testing.T) order {
	t.Helper()
	ticket := event.Ticket{ID: event.NewID(time.Now()), Title: "concert", Price: 2050, UserID: seller}
	servicetest.Publish(t, w.Bus, ticket)
	synctest.Wait()
	answer := servicetest.Call(t, w.service.Handler(), wish(servicetest.SignIn(t, ann), ticket.ID))
	if answer.Status != 201 {
		t.Fatalf("order: %d %s", answer.Status, answer.Body)
	}
	return servicetest.Decode[order](t, answer)
}

func (w *till) show(t *testing.T, id event.ID) order {
	t.Helper()
	answer := servicetest.Call(t, w.service.Handler(), show(servicetest.SignIn(t, ann), id))
	if answer.Status != 200 {
		t.Fatalf("show: %d %s", answer.Status, answer.Body)
	}
	return servicetest.Decode[order](t, answer)
}

// cancel gives the order up and returns the status of the answer.
func (w *till) cancel(t *testing.T, id event.ID) int {
	t.Helper()
	return servicetest.Call(t, w.service.Handler(), cancel(servicetest.SignIn(t, ann), id)).Status
}

// events returns what the service has published about an order.
func (w *till) events(t *testing.T, id event.ID) (subjects []event.Subject) {
	t.Helper()
	for _, subject := range []event.Subject{event.SubjectOrderCreated, event.SubjectOrderCancelled, event.SubjectOrderCompleted} {
		channel, err := w.Bus.Channel(t.Context(), string(subject))
		if err != nil {
			t.Fatal(err)
		}
		if channel.LastSeq == 0 {
			continue
		}
		for _, data := range servicetest.Published(t, w.Bus, subject, 1) {
			if strings.Contains(data, string(id)) {
				subjects = append(subjects, subject)
			}
		}
	}
	return subjects
}

// permutations calls yield with every order of the steps, copies included once each.
func permutations(steps []string, yield func([]string)) {
	if len(steps) == 0 {
		yield(nil)
		return
	}
	tried := map[string]bool{}
	for i, step := range steps {
		if tried[step] {
			continue
		}
		tried[step] = true
		rest := append(append([]string{}, steps[:i]...), steps[i+1:]...)
		permutations(rest, func(behind []string) { yield(append([]string{step}, behind...)) })
	}
}

// Whatever comes first decides, in every order of payment, expiry and cancellation, each twice: the order is complete or
// cancelled for good, it has one event of that, and a paid one cannot be cancelled.
func TestWhateverComesFirstDecides(t *testing.T) {
	permutations([]string{"pay", "pay", "expire", "expire", "cancel", "cancel"}, func(steps []string) {
		t.Run(strings.Join(steps, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := openTill(t)
				mine := w.place(t)
				payment := event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: mine.ID, StripeID: "ch_1"}
				want, wantAnswer, wantEvent := "cancelled", 204, event.SubjectOrderCancelled
				if steps[0] == "pay" {
					want, wantAnswer, wantEvent = "complete", 409, event.SubjectOrderCompleted
				}
				for _, step := range steps {
					switch step {
					case "pay":
						servicetest.Publish(t, w.Bus, payment)
					case "expire":
						servicetest.Publish(t, w.Bus, event.ExpirationComplete{OrderID: mine.ID})
					case "cancel":
						if got := w.cancel(t, mine.ID); got != wantAnswer {
							t.Errorf("cancel answers %d, want %d", got, wantAnswer)
						}
					}
					synctest.Wait()
					if now := w.show(t, mine.ID); now.Status != want || now.Version != 1 {
						t.Fatalf("after %s: %s at version %d, want %s at 1", step, now.Status, now.Version, want)
					}
				}
				if got := fmt.Sprint(w.events(t, mine.ID)); got != fmt.Sprint([]event.Subject{event.SubjectOrderCreated, wantEvent}) {
					t.Errorf("published %s", got)
				}
				servicetest.CheckNothingParked(t, w.service)
			})
		})
	})
}

// All at once: one of them wins, and all else that is seen agrees with that.
func TestFactsAndACancellationAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		var mine []order
		for range 50 {
			mine = append(mine, w.place(t))
		}
		answers := make([]int, len(mine))
		var all sync.WaitGroup
		for i, o := range mine {
			all.Go(func() {
				servicetest.Publish(t, w.Bus, event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: o.ID, StripeID: "ch_1"})
			})
			all.Go(func() { servicetest.Publish(t, w.Bus, event.ExpirationComplete{OrderID: o.ID}) })
			all.Go(func() { answers[i] = w.cancel(t, o.ID) })
		}
		all.Wait()
		synctest.Wait()
		for i, o := range mine {
			now := w.show(t, o.ID)
			switch {
			case now.Version != 1:
				t.Errorf("stands at version %d", now.Version)
			case now.Status == "complete" && answers[i] != 409, now.Status == "cancelled" && answers[i] != 204:
				t.Errorf("%s, but its buyer was answered %d", now.Status, answers[i])
			case now.Status != "complete" && now.Status != "cancelled":
				t.Errorf("it is %s", now.Status)
			}
		}
	})
}

func TestAFactAboutAnUnknownOrderIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		servicetest.Publish(t, w.Bus, event.ExpirationComplete{OrderID: unknown})
		servicetest.Publish(t, w.Bus, event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: unknown, StripeID: "ch_1"})
		synctest.Wait()
		parked := servicetest.Parked(t, w.service)
		if got := strings.Count(parked, "there is no order "+string(unknown)); got != 2 {
			t.Errorf("parked %s", parked)
		}
	})
}

// A second payment of one order is money that a person has to return.
func TestASecondPaymentIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		mine := w.place(t)
		first := event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: mine.ID, StripeID: "ch_1"}
		for _, payment := range []event.PaymentCreated{first, first, {ID: event.NewID(time.Now()), OrderID: mine.ID, StripeID: "ch_2"}} {
			servicetest.Publish(t, w.Bus, payment)
			synctest.Wait()
		}
		parked := servicetest.Parked(t, w.service)
		if strings.Count(parked, `"reason"`) != 1 || !strings.Contains(parked, "paid before, by payment "+string(first.ID)) {
			t.Errorf("parked %s", parked)
		}
	})
}

// The payments service returns the money of an order that was cancelled first. Whoever reads the log sees that it has to.
func TestAPaymentOfACancelledOrderIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		mine := w.place(t)
		servicetest.Publish(t, w.Bus, event.ExpirationComplete{OrderID: mine.ID})
		synctest.Wait()
		servicetest.Publish(t, w.Bus, event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: mine.ID, StripeID: "ch_1"})
		synctest.Wait()
		if lines := w.Log.Lines(slog.LevelWarn); len(lines) != 1 || !strings.Contains(lines[0], "refunded") || !strings.Contains(lines[0], string(mine.ID)) {
			t.Errorf("logged %q", lines)
		}
	})
}
