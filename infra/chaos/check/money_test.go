package check_test

import (
	"testing"
	"time"

	"ticketing/infra/chaos/check"
)

// paidFor is a system at whose end one order is paid and one is cancelled.
func paidFor() check.Evidence {
	replicas := func() map[string]check.Entity {
		return map[string]check.Entity{"o1": {Version: 1}, "o2": {Version: 2}}
	}
	return check.Evidence{
		Orders: check.Books{Own: map[string]check.Entity{
			"o1": {Version: 1, Ticket: "t1", Cents: 7840},
			"o2": {Version: 2, Ticket: "t1", Cents: 7840, Holds: "t1", Sold: true},
		}},
		Payments:   check.Books{Replicas: replicas()},
		Expiration: check.Books{Replicas: replicas()},
		Money:      map[string]int64{"o2": 7840},
	}
}

func TestPlantedBugsInTheMoney(t *testing.T) {
	if found := check.Paid(paidFor()); len(found) != 0 {
		t.Errorf("control: found %v", found)
	}
	for _, bug := range []struct {
		name  string
		plant func(e *check.Evidence)
		check string
	}{
		{"a charge of a cancelled order is kept", func(e *check.Evidence) { e.Money["o1"] = 7840 }, check.CheckMoney},
		{"a charge is for no order", func(e *check.Evidence) { e.Money["o3"] = 1 }, check.CheckMoney},
		{"a complete order is not charged", func(e *check.Evidence) { delete(e.Money, "o2") }, check.CheckMoney},
		{"a complete order is returned", func(e *check.Evidence) { e.Money = nil }, check.CheckMoney},
		{"a complete order is charged a cent less", func(e *check.Evidence) { e.Money["o2"] = 7839 }, check.CheckMoney},
		{"a complete order is charged twice", func(e *check.Evidence) { e.Money["o2"] = 15680 }, check.CheckMoney},
		{"a deadline is forgotten", func(e *check.Evidence) {
			edit(e.Orders.Own, "o1", func(order *check.Entity) { order.Holds = "t1" })
		}, check.CheckEnded},
		{"payments do not hear of an order", func(e *check.Evidence) { delete(e.Payments.Replicas, "o1") }, check.CheckReplicas},
		{"expiration does not hear of an end", func(e *check.Evidence) {
			edit(e.Expiration.Replicas, "o2", func(order *check.Entity) { order.Version = 0 })
		}, check.CheckReplicas},
		{"an event of an order is parked", func(e *check.Evidence) {
			e.Payments.Parked = []check.Parked{{Channel: "order:created", Data: "{}", Reason: "failed"}}
		}, check.CheckParked},
		{"a payment is never published", func(e *check.Evidence) { e.Payments.Waiting = 1 }, check.CheckOutbox},
	} {
		t.Run(bug.name, func(t *testing.T) {
			e := paidFor()
			bug.plant(&e)
			expect(t, check.Paid(e), bug.check)
		})
	}
}

// What no client was told is known from the orders in the end: which reservations were done, and whose time is over.
func TestOrdersEndByThemselves(t *testing.T) {
	began := time.Unix(1767322984, 0)
	order := func(expires int) check.Entity {
		return check.Entity{Ticket: "t1", ExpiresAt: began.Add(time.Duration(expires) * time.Millisecond)}
	}
	reserve := func(call, answer, status int, id string) check.Op {
		return at(call, answer, check.Op{Kind: check.Reserve, Ticket: "t1", Order: id, Status: status})
	}
	for _, test := range []struct {
		name    string
		orders  map[string]check.Entity
		history []check.Op
		want    string // the check that finds something; empty: none
	}{
		{"another one has it once the time is over", map[string]check.Entity{"o1": order(100), "o2": order(200)},
			[]check.Op{reserve(0, 10, 201, "o1"), reserve(100, 110, 201, "o2")}, ""},
		{"another one has it before", map[string]check.Entity{"o1": order(100), "o2": order(200)},
			[]check.Op{reserve(0, 10, 201, "o1"), reserve(50, 60, 201, "o2")}, check.CheckHolders},
		{"it is held a while longer", map[string]check.Entity{"o1": order(100)},
			[]check.Op{reserve(0, 10, 201, "o1"), reserve(150, 160, 409, "")}, ""},
		{"it is free, and cannot be had", map[string]check.Entity{"o1": order(100)},
			[]check.Op{reserve(0, 10, 409, ""), reserve(20, 30, 201, "o1")}, check.CheckLinearizable},
		{"it is held by an order that nobody was told of", map[string]check.Entity{"o1": order(100), "o2": order(200)},
			[]check.Op{reserve(0, 10, 0, ""), reserve(20, 30, 409, ""), reserve(120, 130, 201, "o2")}, ""},
		{"it is held by nobody", map[string]check.Entity{"o2": order(200)},
			[]check.Op{reserve(0, 10, 0, ""), reserve(20, 30, 409, ""), reserve(120, 130, 201, "o2")}, check.CheckLinearizable},
		{"a paid one is had by another", map[string]check.Entity{"o1": {Ticket: "t1", Holds: "t1", Sold: true}, "o2": order(200)},
			[]check.Op{reserve(0, 10, 201, "o1"), reserve(120, 130, 201, "o2")}, check.CheckHolders},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := check.Evidence{Began: began, History: test.history, Orders: check.Books{Own: test.orders}}
			found := 0
			for _, f := range check.All(e) {
				if f.Check == test.want {
					found++
				}
				if f.Check == check.CheckLinearizable || f.Check == check.CheckHolders {
					if test.want == "" {
						t.Errorf("found %v", f)
					}
				}
			}
			if test.want != "" && found == 0 {
				t.Errorf("%q has not found it", test.want)
			}
		})
	}
}
