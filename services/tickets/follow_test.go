package tickets_test

import (
	"fmt"
	"slices"
	"strings"
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
	"ticketing/services/tickets"
)

// stall is an instance of the tickets service in a bubble.
type stall struct {
	*servicetest.Bubble
	service *service.Service
	session string // ann's
}

func openStall(t *testing.T, db store.Database) *stall {
	t.Helper()
	bubble := servicetest.NewBubble(t)
	s, _ := servicetest.Open(t, bubble, tickets.Name, "tickets-1", db, tickets.New, tickets.Config{})
	return &stall{bubble, s, servicetest.SignIn(t, ann)}
}

func (s *stall) call(t *testing.T, r servicetest.Request, status int) servicetest.Answer {
	t.Helper()
	answer := servicetest.Call(t, s.service.Handler(), r)
	if answer.Status != status {
		t.Fatalf("%s: %d %s, want %d", r.Line, answer.Status, answer.Body, status)
	}
	return answer
}

func (s *stall) offer(t *testing.T) ticket {
	t.Helper()
	return servicetest.Decode[ticket](t, s.call(t, post(s.session, concert), 201))
}

func (s *stall) show(t *testing.T, id event.ID) ticket {
	t.Helper()
	return servicetest.Decode[ticket](t, s.call(t, get("/api/tickets/"+string(id)), 200))
}

// deed is one event of one order.
type deed struct {
	order   event.ID
	subject event.Subject
}

// newHistory is what new orders of one ticket go through at their source, which gives it to one at a time: all but the
// last are cancelled. The fate of the last is the subject of its last event.
func newHistory(orders int, fate event.Subject) (deeds []deed) {
	for i := range orders {
		order := event.NewID(time.Now())
		deeds = append(deeds, deed{order, event.SubjectOrderCreated})
		switch {
		case i < orders-1:
			deeds = append(deeds, deed{order, event.SubjectOrderCancelled})
		case fate != event.SubjectOrderCreated:
			deeds = append(deeds, deed{order, fate})
		}
	}
	return deeds
}

func (s *stall) publish(t *testing.T, ticket event.ID, d deed) {
	t.Helper()
	ref := event.TicketRef{ID: ticket}
	switch d.subject {
	case event.SubjectOrderCreated:
		servicetest.Publish(t, s.Bus, event.OrderCreated{ID: d.order, Status: event.OrderStatusCreated, UserID: bob,
			ExpiresAt: event.At(servicetest.Now().Add(time.Minute)), Ticket: event.OrderTicket{ID: ticket, Price: 2000}})
	case event.SubjectOrderCancelled:
		servicetest.Publish(t, s.Bus, event.OrderCancelled{ID: d.order, Version: 1, Ticket: ref})
	default:
		servicetest.Publish(t, s.Bus, event.OrderCompleted{ID: d.order, Version: 1, Ticket: ref})
	}
}

// checkEnd finds a ticket as it has to be when all of its orders' events have arrived, in whatever order.
func (s *stall) checkEnd(t *testing.T, id event.ID, history []deed, fate event.Subject) {
	t.Helper()
	got := s.show(t, id)
	last := history[len(history)-1].order
	want := map[event.Subject]string{
		event.SubjectOrderCreated: "reserved " + string(last), event.SubjectOrderCancelled: "free ",
		event.SubjectOrderCompleted: "sold " + string(last),
	}[fate]
	if now := got.Status + " " + string(got.OrderID); now != want {
		t.Errorf("ticket %s is %s, want %s", id, now, want)
	}
}

// checkWay finds that what was published of tickets is right at every version: the ticket passes from an order only
// after that order's cancellation, so no order has it twice; and nothing else changes while an order has it.
func (s *stall) checkWay(t *testing.T) {
	t.Helper()
	before, had := map[event.ID]event.Ticket{}, map[event.ID]bool{}
	for _, subject := range []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated} {
		if books, err := s.Bus.Channel(t.Context(), string(subject)); err != nil || books.LastSeq == 0 {
			continue
		}
		for _, data := range servicetest.Published(t, s.Bus, subject, 1) {
			now, err := event.Decode[event.Ticket](subject, []byte(data))
			if err != nil {
				t.Fatal(err)
			}
			was := before[now.ID]
			if subject == event.SubjectTicketUpdated && now.Version != was.Version+1 {
				t.Errorf("version %d of ticket %s follows %d", now.Version, now.ID, was.Version)
			}
			if now.OrderID != "" && now.OrderID != was.OrderID {
				if had[now.OrderID] {
					t.Errorf("order %s has ticket %s for a second time", now.OrderID, now.ID)
				}
				had[now.OrderID] = true
			}
			if (now.OrderID != "" || was.OrderID != "") && (now.Title != was.Title || now.Price != was.Price) {
				t.Errorf("ticket %s was changed to %q while order %s had it", now.ID, now.Title, was.OrderID)
			}
			before[now.ID] = now
		}
	}
}

// permute calls yield with every order of the numbers below n.
func permute(n int, yield func([]int)) {
	if n == 0 {
		yield(nil)
		return
	}
	permute(n-1, func(some []int) {
		for at := range n {
			yield(slices.Insert(slices.Clone(some), at, n-1))
		}
	})
}

var fates = []event.Subject{event.SubjectOrderCreated, event.SubjectOrderCancelled, event.SubjectOrderCompleted}

// Every permutation of the events of up to three orders, each event on its own, ends the same. There is a ticket for
// each permutation, so that one service serves them all.
func TestEveryPermutationEndsTheSame(t *testing.T) {
	for orders := 1; orders <= 3; orders++ {
		for _, fate := range fates {
			t.Run(fmt.Sprintf("%d orders, at last %s", orders, fate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := openStall(t, memstore.New())
					var offered []event.ID
					var histories [][]deed
					var ways [][]int
					permute(len(newHistory(orders, fate)), func(way []int) {
						offered = append(offered, s.offer(t).ID)
						histories = append(histories, newHistory(orders, fate))
						ways = append(ways, way)
					})
					for step := range histories[0] {
						for i, way := range ways {
							s.publish(t, offered[i], histories[i][way[step]])
						}
						synctest.Wait()
					}
					for i, id := range offered {
						s.checkEnd(t, id, histories[i], fate)
					}
					s.checkWay(t)
					servicetest.CheckNothingParked(t, s.service)
				})
			})
		}
	}
}

// Duplicates change nothing, nor does it matter which events come in one batch, nor what the seller does meanwhile.
func TestOrdersWithDuplicatesInAnyOrder(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Database{
		"in memory": func(*testing.T) store.Database { return memstore.New() },
		"on disk":   func(t *testing.T) store.Database { return bolttest.Open(t) },
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				fate := rapid.SampledFrom(fates).Draw(r, "fate")
				history := newHistory(rapid.IntRange(1, 3).Draw(r, "orders"), fate)
				steps := history
				for range rapid.IntRange(0, 6).Draw(r, "duplicates") {
					steps = append(slices.Clip(steps), rapid.SampledFrom(history).Draw(r, "again"))
				}
				steps = rapid.Permutation(steps).Draw(r, "way")
				alone := rapid.SliceOfN(rapid.Bool(), len(steps), len(steps)).Draw(r, "alone")
				synctest.Test(t, func(t *testing.T) {
					s := openStall(t, open(t))
					id := s.offer(t).ID
					for i, step := range steps {
						s.publish(t, id, step)
						if alone[i] {
							synctest.Wait()
							s.checkEdit(t, id, i)
						}
					}
					synctest.Wait()
					s.checkEnd(t, id, history, fate)
					s.checkWay(t)
					servicetest.CheckNothingParked(t, s.service)
				})
				if t.Failed() {
					r.FailNow()
				}
			})
		})
	}
}

// checkEdit edits a ticket and finds that this is refused if and only if an order has it.
func (s *stall) checkEdit(t *testing.T, id event.ID, n int) {
	t.Helper()
	before := s.show(t, id)
	want := 409
	if before.OrderID == "" {
		want = 200
	}
	answer := s.call(t, put(id, s.session, draftOf(n)), want)
	if want == 409 && !strings.Contains(answer.Body, before.Status) {
		t.Errorf("a ticket that is %s is refused with %s", before.Status, answer.Body)
	}
}

// An order for a ticket that nobody offered here is set aside with its reason, at once.
func TestAnOrderForAnUnknownTicketIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStall(t, memstore.New())
		s.publish(t, unknown, newHistory(1, event.SubjectOrderCreated)[0])
		synctest.Wait()
		if parked := servicetest.Parked(t, s.service); !strings.Contains(parked, "there is no ticket "+string(unknown)) {
			t.Errorf("parked: %s", parked)
		}
	})
}

// Whoever edits at the very moment of a reservation either comes first, or is refused.
func TestEditsAndReservationsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStall(t, memstore.New())
		for n := range 50 {
			id := s.offer(t).ID
			edited := make(chan int)
			go func() { edited <- servicetest.Call(t, s.service.Handler(), put(id, s.session, draftOf(n))).Status }()
			s.publish(t, id, newHistory(1, event.SubjectOrderCreated)[0])
			status := <-edited
			synctest.Wait()
			if now := s.show(t, id); now.OrderID == "" || (status == 200) != (now.Title != "concert") || status != 200 && status != 409 {
				t.Errorf("edit: %d, then the ticket is %+v", status, now)
			}
		}
		s.checkWay(t)
	})
}
