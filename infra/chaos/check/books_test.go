package check_test

import (
	"testing"

	"ticketing/infra/chaos/check"
)

// system is the books of a system in which nothing went wrong: two tickets, a ticket's two orders of which one
// is cancelled, and one poisoned event.
type system struct {
	tickets, orders, diary check.Books
	injected               []check.Parked
	history                []check.Op
}

func healthy() *system {
	poison := check.Parked{Channel: "ticket:created", Data: "{", Reason: "poison"}
	return &system{
		tickets: check.Books{Own: map[string]check.Entity{
			"t1": {Version: 5, Content: "c2", Holder: "o2"}, // 3 and 4: o1 held it and did not any more
			"t2": {Version: 0, Content: "d0"},
		}, Replicas: map[string]check.Entity{"o1": {Version: 1}, "o2": {}}},
		orders: check.Books{
			Own: map[string]check.Entity{"o1": {Version: 1}, "o2": {Holds: "t1"}},
			Replicas: map[string]check.Entity{
				"t1": {Version: 5, Content: "c2", Holder: "o2"},
				"t2": {Version: 0, Content: "d0"},
			},
			Parked: []check.Parked{poison},
		},
		diary: check.Books{
			Own: map[string]check.Entity{"t1": {Version: 5}, "t2": {Version: 0}},
			Replicas: map[string]check.Entity{
				"t1": {Version: 5, Content: "c2", Holder: "o2", Log: []int64{0, 1, 2, 3, 4, 5}},
				"t2": {Version: 0, Content: "d0", Log: []int64{0}},
			},
			Parked: []check.Parked{poison},
		},
		injected: []check.Parked{poison},
		history:  story(),
	}
}

// findings runs every check, as a run of the chaos program does.
func (s *system) findings() []check.Finding { return check.All(s.all()) }

func (s *system) all() check.Evidence {
	return check.Evidence{Tickets: s.tickets, Orders: s.orders, Diary: s.diary, Injected: s.injected, History: s.history}
}

func TestAHealthySystemHasNoFindings(t *testing.T) {
	if found := healthy().findings(); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

// edit changes one entity in a map.
func edit(entities map[string]check.Entity, id string, change func(*check.Entity)) {
	entity := entities[id]
	change(&entity)
	entities[id] = entity
}

// Every bug that the system must not have, planted one at a time. The check that is made for it must be the one
// that finds it.
func TestPlantedBugsInTheBooks(t *testing.T) {
	for _, bug := range []struct {
		name  string
		plant func(s *system)
		check string
	}{
		{"an event is dropped, the replica stays behind", func(s *system) {
			edit(s.orders.Replicas, "t1", func(e *check.Entity) { e.Version, e.Content = 1, "c1" })
		}, check.CheckReplicas},
		{"an event is dropped, the ones behind it wait for ever", func(s *system) {
			edit(s.orders.Replicas, "t1", func(e *check.Entity) { e.Version, e.Content, e.Early = 0, "c0", 1 })
		}, check.CheckReplicas},
		{"the first event is dropped, there is no replica", func(s *system) {
			delete(s.orders.Replicas, "t2")
		}, check.CheckReplicas},
		{"the content of another version is stored", func(s *system) {
			edit(s.orders.Replicas, "t1", func(e *check.Entity) { e.Content = "c1" })
		}, check.CheckReplicas},
		{"a replica is ahead of its source", func(s *system) {
			edit(s.orders.Replicas, "t2", func(e *check.Entity) { e.Version = 1 })
		}, check.CheckReplicas},
		{"a replica has no source", func(s *system) {
			s.orders.Replicas["t3"] = check.Entity{}
		}, check.CheckReplicas},
		{"an early event is kept behind the last version", func(s *system) {
			edit(s.orders.Replicas, "t2", func(e *check.Entity) { e.Early = 1 })
		}, check.CheckReplicas},
		{"an event is applied twice", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 1, 1, 2, 3, 4, 5} })
		}, check.CheckLogs},
		{"the last event is applied twice", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 1, 2, 3, 4, 5, 5} })
		}, check.CheckLogs},
		{"two events are swapped", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 2, 1, 3, 4, 5} })
		}, check.CheckLogs},
		{"a version is skipped", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 2, 3, 4, 5} })
		}, check.CheckLogs},
		{"the first version is skipped", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{1, 2, 3, 4, 5} })
		}, check.CheckLogs},
		{"the last version is not in the log", func(s *system) {
			edit(s.diary.Replicas, "t1", func(e *check.Entity) { e.Log = []int64{0, 1, 2, 3, 4} })
		}, check.CheckLogs},
		{"a reaction is lost", func(s *system) {
			edit(s.diary.Own, "t1", func(e *check.Entity) { e.Version = 1 })
		}, check.CheckLogs},
		{"a reaction takes effect twice", func(s *system) {
			edit(s.diary.Own, "t1", func(e *check.Entity) { e.Version = 6 })
		}, check.CheckLogs},
		{"the first reaction is lost", func(s *system) {
			delete(s.diary.Own, "t2")
		}, check.CheckLogs},
		{"an event is never published", func(s *system) {
			s.tickets.Waiting = 1
		}, check.CheckOutbox},
		{"an event that was not injected is parked", func(s *system) {
			s.orders.Parked = append(s.orders.Parked, check.Parked{Channel: "ticket:updated", Data: "{}", Reason: "early"})
		}, check.CheckParked},
		{"poison is parked twice", func(s *system) {
			s.orders.Parked = append(s.orders.Parked, s.orders.Parked[0])
		}, check.CheckParked},
		{"poison is not parked", func(s *system) {
			s.orders.Parked = nil
		}, check.CheckParked},
		{"poison is parked for another reason", func(s *system) {
			s.orders.Parked[0].Reason = "failed"
		}, check.CheckParked},
		{"a replica of a ticket has another holder", func(s *system) {
			edit(s.orders.Replicas, "t1", func(e *check.Entity) { e.Holder = "o1" })
		}, check.CheckReplicas},
		{"a ticket does not hear that its order is cancelled", func(s *system) {
			edit(s.tickets.Replicas, "o1", func(e *check.Entity) { e.Version = 0 })
		}, check.CheckReplicas},
		{"a late cancellation frees somebody else's ticket", func(s *system) {
			for _, tickets := range []map[string]check.Entity{s.tickets.Own, s.orders.Replicas, s.diary.Replicas} {
				edit(tickets, "t1", func(e *check.Entity) { e.Holder = "" })
			}
		}, check.CheckSeats},
		{"a ticket is held by a cancelled order", func(s *system) {
			edit(s.tickets.Own, "t2", func(e *check.Entity) { e.Holder = "o1" })
		}, check.CheckSeats},
		{"a ticket is held by an order that nobody knows", func(s *system) {
			edit(s.tickets.Own, "t2", func(e *check.Entity) { e.Holder = "o9" })
		}, check.CheckSeats},
		{"a paid order's ticket is not sold", func(s *system) {
			edit(s.orders.Own, "o2", func(e *check.Entity) { e.Sold = true })
		}, check.CheckSeats},
		{"two live orders hold one ticket", func(s *system) {
			edit(s.orders.Own, "o1", func(e *check.Entity) { e.Holds = "t1" })
		}, check.CheckHolders},
	} {
		t.Run(bug.name, func(t *testing.T) {
			s := healthy()
			bug.plant(s)
			expect(t, s.findings(), bug.check)
		})
	}
}

// expect wants a finding of this check.
func expect(t *testing.T, found []check.Finding, name string) {
	t.Helper()
	for _, f := range found {
		if f.Check == name {
			return
		}
	}
	t.Errorf("%q has not found it; found is %v", name, found)
}
