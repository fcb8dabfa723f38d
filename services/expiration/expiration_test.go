package expiration_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/pkg/store/storetest/memstore"
	"ticketing/services/expiration"
)

const (
	buyer    = event.ID("65a0000000000000000000bb")
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
)

// watch is the expiration service in a bubble, by the bubble's own clock.
type watch struct {
	*servicetest.Bubble
	db store.Database
	// skew is what the clock of the service is ahead of the bubble's.
	skew atomic.Int64
}

func newWatch(t *testing.T, db store.Database) *watch {
	return &watch{Bubble: servicetest.NewBubble(t), db: db}
}

// open opens an instance by a clock that can be stepped.
func (w *watch) open(t *testing.T, client string) (s *service.Service, stop func()) {
	t.Helper()
	w.SetClock(func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) })
	return servicetest.Open(t, w.Bubble, expiration.Name, client, w.db, expiration.New, expiration.Config{})
}

// order publishes a new order whose time is over after a while.
func (w *watch) order(t *testing.T, after time.Duration) event.ID {
	t.Helper()
	id := event.NewID(time.Now())
	w.create(t, id, time.Now().Add(after))
	return id
}

func (w *watch) create(t *testing.T, id event.ID, expiresAt time.Time) {
	t.Helper()
	servicetest.Publish(t, w.Bus, event.OrderCreated{ID: id, Status: event.OrderStatusCreated, UserID: buyer,
		ExpiresAt: event.At(expiresAt), Ticket: event.OrderTicket{ID: ticketID, Price: 2000}})
}

func (w *watch) cancel(t *testing.T, id event.ID) {
	t.Helper()
	servicetest.Publish(t, w.Bus, event.OrderCancelled{ID: id, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
}

func (w *watch) complete(t *testing.T, id event.ID) {
	t.Helper()
	servicetest.Publish(t, w.Bus, event.OrderCompleted{ID: id, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
}

// fired are the orders whose time was said to be over, each as often as it was.
func (w *watch) fired(t *testing.T) (orders []event.ID) {
	t.Helper()
	channel, err := w.Bus.Channel(t.Context(), string(event.SubjectExpirationComplete))
	if err != nil || channel.LastSeq == 0 {
		return nil
	}
	for _, data := range servicetest.Published(t, w.Bus, event.SubjectExpirationComplete, 1) {
		fact, err := event.Decode[event.ExpirationComplete](event.SubjectExpirationComplete, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		orders = append(orders, fact.OrderID)
	}
	return orders
}

// checkFired finds that these orders' times are over, once each, after a while.
func (w *watch) checkFired(t *testing.T, after time.Duration, want ...event.ID) {
	t.Helper()
	time.Sleep(after) // of the bubble: nobody waits
	synctest.Wait()
	got := w.fired(t)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("at %s the time of %s is over, want %s", time.Now().Format(time.RFC3339Nano), got, want)
	}
}

// soon is how late an order may expire.
const soon = 250 * time.Millisecond

func TestAnOrderExpiresWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		w.open(t, "expiration-1")
		late := w.order(t, 15*time.Minute)
		early := w.order(t, time.Minute) // comes later, and is over before
		w.checkFired(t, time.Minute-time.Millisecond)
		w.checkFired(t, soon, early)
		w.checkFired(t, 14*time.Minute-soon-time.Millisecond, early)
		w.checkFired(t, soon, early, late)
		w.checkFired(t, time.Hour, early, late)
	})
}

func TestAnOrderThatEndsDoesNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		w.open(t, "expiration-1")
		cancelled, paid, left := w.order(t, time.Minute), w.order(t, time.Minute), w.order(t, time.Minute)
		w.cancel(t, cancelled)
		w.complete(t, paid)
		w.checkFired(t, time.Hour, left)
	})
}

func TestTimesThatAreFarAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		w.open(t, "expiration-1")
		past, ancient, last := event.NewID(time.Now()), event.NewID(time.Now()), event.NewID(time.Now())
		w.create(t, past, time.Now().Add(-time.Hour))
		w.create(t, ancient, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
		w.create(t, last, time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC))
		w.checkFired(t, soon, past, ancient)
		w.checkFired(t, time.Hour, past, ancient)
	})
}

// The clock of the machine is set forward by an hour, and back by two.
func TestStepsOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		w.open(t, "expiration-1")
		first, second := w.order(t, 50*time.Minute), w.order(t, 130*time.Minute)
		w.checkFired(t, time.Minute)
		w.skew.Store(int64(time.Hour))
		w.checkFired(t, soon, first)
		w.skew.Store(-int64(time.Hour)) // what has fired stays fired
		w.checkFired(t, 130*time.Minute, first)
		w.checkFired(t, time.Hour, first, second)
	})
}

// What became due while no instance ran fires at the start.
func TestDeadlinesThatPassedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		_, stop := w.open(t, "expiration-1")
		passed, ahead := w.order(t, time.Minute), w.order(t, 3*time.Hour)
		w.checkFired(t, time.Second)
		stop()
		time.Sleep(time.Hour)
		unseen := w.order(t, -time.Minute)
		w.checkFired(t, time.Second)
		w.open(t, "expiration-2")
		w.checkFired(t, soon, passed, unseen)
		w.checkFired(t, 2*time.Hour, passed, unseen, ahead)
	})
}

// Many orders expire at one moment, and two instances on one store want to say so.
func TestTwoInstancesOnOneStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, memstore.New())
		w.open(t, "expiration-1")
		w.open(t, "expiration-2")
		var all []event.ID
		for range 1200 {
			all = append(all, w.order(t, time.Minute))
		}
		w.checkFired(t, time.Minute+soon, all...)
	})
}

func TestTheStoreIsAwayWhenTimesAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &servicetest.Store{Database: memstore.New()}
		w := newWatch(t, db)
		w.open(t, "expiration-1")
		order := w.order(t, time.Minute)
		w.checkFired(t, time.Second)
		db.SetAway(true)
		w.checkFired(t, time.Hour)
		db.SetAway(false)
		w.checkFired(t, 2*time.Second, order)
	})
}

// In whatever order the events of an order come around its deadline, and however often, its time is over at most once;
// and it is, unless the order ended before.
func TestAnyOrderOfEventsAroundTheDeadline(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Database{
		"in memory": func(*testing.T) store.Database { return memstore.New() },
		"on disk":   func(t *testing.T) store.Database { return bolttest.Open(t) },
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				steps := rapid.SliceOfN(rapid.SampledFrom([]string{"create", "create", "cancel", "complete", "wait"}), 1, 8).Draw(r, "steps")
				synctest.Test(t, func(t *testing.T) {
					w := newWatch(t, open(t))
					w.open(t, "expiration-1")
					id, deadline := event.NewID(time.Now()), time.Now().Add(time.Minute)
					created, ended, want := false, false, 0
					for _, step := range steps {
						switch step {
						case "create":
							w.create(t, id, deadline)
							created = true
						case "cancel":
							w.cancel(t, id)
							ended = true
						case "complete":
							w.complete(t, id)
							ended = true
						case "wait":
							time.Sleep(2 * time.Minute)
						}
						time.Sleep(soon)
						synctest.Wait()
						if created && !ended && time.Now().After(deadline.Add(soon)) {
							want = 1
						}
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if created && !ended {
						want = 1
					}
					if got := w.fired(t); len(got) != want {
						t.Errorf("its time is over %d times, want %d", len(got), want)
					}
					if fmt.Sprint(w.fired(t)) != fmt.Sprint(slices.Repeat([]event.ID{id}, want)) {
						t.Errorf("fired %s", w.fired(t))
					}
				})
				if t.Failed() {
					r.FailNow()
				}
			})
		})
	}
}
