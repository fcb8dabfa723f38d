package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ticketing/infra/chaos/check"
)

// at is a request that was sent and answered in the given milliseconds.
func at(call, answer int, op check.Op) check.Op {
	op.Call, op.Return = time.Duration(call)*time.Millisecond, time.Duration(answer)*time.Millisecond
	return op
}

// The places of the requests in story.
const (
	created = iota
	edited
	lost
	read
	reserved
	refused
	cancelled
	again
	other
)

// story is a history in which everything was answered as it should be, one request without an answer (which was
// done) among them.
func story() []check.Op {
	return []check.Op{
		created:   at(0, 10, check.Op{Kind: check.Create, Ticket: "t1", Content: "c0", Status: 201}),
		edited:    at(20, 30, check.Op{Kind: check.Edit, Ticket: "t1", Content: "c1", Version: 1, Status: 200}),
		lost:      at(40, 50, check.Op{Kind: check.Edit, Ticket: "t1", Content: "c2"}),
		read:      at(60, 70, check.Op{Kind: check.Read, Ticket: "t1", Content: "c2", Version: 2, Status: 200}),
		reserved:  at(80, 90, check.Op{Kind: check.Reserve, Ticket: "t1", Order: "o1", Status: 201}),
		refused:   at(100, 110, check.Op{Kind: check.Reserve, Ticket: "t1", Status: 409}),
		cancelled: at(120, 130, check.Op{Kind: check.Cancel, Ticket: "t1", Order: "o1", Status: 204}),
		again:     at(125, 140, check.Op{Kind: check.Reserve, Ticket: "t1", Order: "o2", Status: 201}),
		other:     at(150, 160, check.Op{Kind: check.Create, Ticket: "t2", Content: "d0", Status: 201}),
	}
}

func TestPlantedBugsInTheHistory(t *testing.T) {
	for _, bug := range []struct {
		name  string
		plant func(s *system)
		check string
	}{
		{"an answered ticket is gone", func(s *system) { delete(s.tickets.Own, "t2") }, check.CheckAnswers},
		{"an answered change is gone", func(s *system) {
			edit(s.tickets.Own, "t1", func(e *check.Entity) { e.Version, e.Content = 1, "c1" })
		}, check.CheckAnswers},
		{"an answered change has another content", func(s *system) {
			s.history = append(s.history, at(170, 180, check.Op{Kind: check.Read, Ticket: "t1", Content: "c2", Version: 5, Status: 200}))
			edit(s.tickets.Own, "t1", func(e *check.Entity) { e.Content = "c1" })
		}, check.CheckAnswers},
		{"an answered order is gone", func(s *system) { delete(s.orders.Own, "o2") }, check.CheckAnswers},
		{"an order is cancelled by itself", func(s *system) {
			edit(s.orders.Own, "o2", func(e *check.Entity) { e.Holds = "" })
		}, check.CheckAnswers},
		{"an answered cancellation is gone", func(s *system) {
			edit(s.orders.Own, "o1", func(e *check.Entity) { e.Holds = "t1" })
		}, check.CheckAnswers},
		{"an order holds another ticket", func(s *system) {
			edit(s.orders.Own, "o2", func(e *check.Entity) { e.Holds = "t2" })
		}, check.CheckAnswers},
		{"two orders held one ticket, and nothing of it is left", func(s *system) {
			s.history[cancelled] = at(150, 160, s.history[cancelled])
		}, check.CheckHolders},
		{"a second order was let through", func(s *system) {
			s.history[refused].Status, s.history[refused].Order = 201, "o3"
		}, check.CheckHolders},
		{"a read that misses an answered change", func(s *system) {
			s.history[read].Content, s.history[read].Version = "c0", 0
		}, check.CheckLinearizable},
		{"a read of a content that nobody wrote", func(s *system) {
			s.history[read].Content = "cx"
		}, check.CheckLinearizable},
		{"a change without an answer that is undone again", func(s *system) {
			s.history = slices.Insert(s.history, reserved,
				at(72, 74, check.Op{Kind: check.Read, Ticket: "t1", Content: "c1", Version: 1, Status: 200}))
		}, check.CheckLinearizable},
		{"two changes are answered with one version", func(s *system) {
			s.history = append(s.history, at(32, 34, check.Op{Kind: check.Edit, Ticket: "t1", Content: "cx", Version: 1, Status: 200}))
		}, check.CheckLinearizable},
		{"a free ticket is refused", func(s *system) {
			s.history[refused] = at(72, 74, s.history[refused])
		}, check.CheckLinearizable},
		{"an order is let through while its ticket is held", func(s *system) {
			s.history[again] = at(111, 114, s.history[again])
		}, check.CheckLinearizable},
	} {
		t.Run(bug.name, func(t *testing.T) {
			s := healthy()
			bug.plant(s)
			expect(t, s.findings(), bug.check)
		})
	}
}

func TestARequestWithoutAnAnswerMayHaveBeenDoneOrNot(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *system)
	}{
		{"done", func(*system) {}},
		{"not done", func(s *system) {
			s.history[read].Content, s.history[read].Version = "c1", 1
			for _, tickets := range []map[string]check.Entity{s.tickets.Own, s.orders.Replicas, s.diary.Replicas, s.diary.Own} {
				edit(tickets, "t1", func(e *check.Entity) { e.Version, e.Content = 4, "c1" })
			}
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 1, 2, 3, 4} })
			edit(s.diary.Own, "t1", func(e *check.Entity) { e.Content = "" })
		}},
		{"done later than a read", func(s *system) {
			s.history[read].Content, s.history[read].Version = "c1", 1
		}},
		{"an order that its client was not told of", func(s *system) {
			s.history[again].Status, s.history[again].Order = 0, ""
		}},
		{"a cancellation without an answer", func(s *system) { s.history[cancelled].Status = 503 }},
		{"a read without an answer", func(s *system) { s.history[read] = at(60, 70, check.Op{Kind: check.Read, Ticket: "t1"}) }},
		{"a refusal that tells nothing", func(s *system) {
			s.history = append(s.history, at(170, 180, check.Op{Kind: check.Edit, Ticket: "t1", Content: "cx", Status: 412}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := healthy()
			test.change(s)
			if found := s.findings(); len(found) != 0 {
				t.Errorf("found %v", found)
			}
		})
	}
}

// A store that is away for long leaves many requests without an answer, each of which may have been done or not.
func TestManyRequestsWithoutAnAnswerAreDecided(t *testing.T) {
	// given orders that are made and cancelled in turn, each amid requests that nobody has an answer to
	var history []check.Op
	now := 0
	add := func(op check.Op) {
		op.Ticket = "t1"
		history = append(history, at(now, now+10, op))
		now += 5 // the next one begins before this one is answered
	}
	for i := range 60 {
		order := fmt.Sprint("o", i)
		now += 20
		add(check.Op{Kind: check.Reserve, Order: order, Status: 201})
		now += 20
		for range 4 {
			add(check.Op{Kind: check.Reserve, Status: 409})
			add(check.Op{Kind: check.Cancel, Order: order})
		}
		now += 20
		add(check.Op{Kind: check.Cancel, Order: order, Status: 204})
	}
	// and one at the end that takes the ticket for good, which is refused ever after
	now += 20
	for range 40 {
		add(check.Op{Kind: check.Reserve})
	}
	now += 20
	for range 40 {
		add(check.Op{Kind: check.Reserve, Status: 409})
	}
	if found := check.Linearizable(history, time.Minute); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	// but where a reservation is let through behind that, no order explains it
	now += 20
	add(check.Op{Kind: check.Reserve, Order: "one more", Status: 201})
	if found := check.Linearizable(history, time.Minute); len(found) != 1 || !strings.Contains(found[0].Detail, "no order explains") {
		t.Errorf("found %v", found)
	}
}
