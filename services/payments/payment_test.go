package payments

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
	"ticketing/pkg/payment"
	"ticketing/pkg/replica"
)

const (
	one = event.ID("65a1b2c3d4e5f60718293a01")
	two = event.ID("65a1b2c3d4e5f60718293a02")
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// in is the payment of an order of 78.40 in a state, after its first attempt.
func in(status Status) Payment {
	p := Payment{Status: status, Amount: 7840, Attempt: 1, AttemptID: one, Since: event.At(noon)}
	switch status {
	case Charged, Refunded:
		p.ChargeID = "ch_1"
	case Declined:
		p.Reason = "declined"
	}
	return p
}

func with(p Payment, change func(*Payment)) Payment {
	change(&p)
	return p
}

func TestTheWayOfAPayment(t *testing.T) {
	type rule func(Payment) (Payment, error)
	begin := rule(func(p Payment) (Payment, error) { return p.Begin(7840, two, noon.Add(time.Minute)) })
	settle := func(of event.ID, outcome payment.Outcome) rule {
		return func(p Payment) (Payment, error) { return p.Settle(of, outcome) }
	}
	doubt := func(of event.ID) rule { return func(p Payment) (Payment, error) { return p.Doubt(of) } }
	release := func(refunded bool) rule { return func(p Payment) (Payment, error) { return p.Release(refunded) } }
	cancel, elsewhere := rule(Payment.Cancel), rule(Payment.PaidElsewhere)
	second := Payment{Status: Charging, Amount: 7840, Attempt: 2, AttemptID: two, Since: event.At(noon.Add(time.Minute))}
	ending := func(status Status, reason string) Payment {
		return with(in(status), func(p *Payment) { p.Status, p.Reason = Refunding, reason })
	}
	refunding := ending(Charged, isCancelled)
	charge, refusal := payment.Outcome{ChargeID: "ch_1"}, payment.Outcome{Reason: "declined"}
	conflict := fault.New(fault.Conflict, "")
	for _, tt := range []struct {
		name   string
		before Payment
		rule   rule
		want   Payment
		err    error
	}{
		{"the first attempt", Payment{}, begin, with(second, func(p *Payment) { p.Attempt = 1 }), nil},
		{"an attempt after a decline", in(Declined), begin, second, nil},
		{"an attempt beside another", in(Charging), begin, in(Charging), outbox.ErrNoChange},
		{"an attempt beside an unknown one", in(Unknown), begin, in(Unknown), outbox.ErrNoChange},
		{"an attempt for what is paid", in(Charged), begin, in(Charged), outbox.ErrNoChange},
		{"an attempt for what is being returned", refunding, begin, refunding, conflict},
		{"an attempt for what was returned", in(Refunded), begin, in(Refunded), conflict},
		{"an attempt for what is closed", in(Closed), begin, in(Closed), conflict},

		{"it is charged", in(Charging), settle(one, charge), in(Charged), nil},
		{"it is declined", in(Charging), settle(one, refusal), in(Declined), nil},
		{"the answer does not come", in(Charging), doubt(one), in(Unknown), nil},
		{"of another attempt", in(Charging), doubt(two), in(Charging), outbox.ErrNoChange},
		{"the outcome of another attempt", in(Charging), settle(two, refusal), in(Charging), outbox.ErrNoChange},
		{"it is found charged", in(Unknown), settle(one, charge), in(Charged), nil},
		{"it is found declined", in(Unknown), settle(one, refusal), in(Declined), nil},
		{"a charge that was late", in(Declined), settle(one, charge), in(Charged), nil},
		{"a decline again", in(Declined), settle(one, refusal), in(Declined), outbox.ErrNoChange},
		{"a late answer", in(Charged), settle(one, refusal), in(Charged), outbox.ErrNoChange},
		{"a late answer to what is being returned", refunding, settle(one, charge), refunding, outbox.ErrNoChange},
		{"a late doubt", in(Charged), doubt(one), in(Charged), outbox.ErrNoChange},

		{"cancelled before anybody paid", Payment{}, cancel, Payment{Status: Closed, Reason: isCancelled}, nil},
		{"cancelled while it is charged", in(Charging), cancel, ending(Charging, isCancelled), nil},
		{"cancelled while it is unknown", in(Unknown), cancel, ending(Unknown, isCancelled), nil},
		{"cancelled after a decline", in(Declined), cancel, ending(Declined, isCancelled), nil},
		{"cancelled after it was paid", in(Charged), cancel, refunding, nil},
		{"cancelled again", refunding, cancel, refunding, outbox.ErrNoChange},
		{"cancelled after it was returned", in(Refunded), cancel, in(Refunded), outbox.ErrNoChange},
		{"cancelled after it was closed", in(Closed), cancel, in(Closed), outbox.ErrNoChange},

		{"paid elsewhere before anybody paid", Payment{}, elsewhere, Payment{Status: Closed, Reason: isPaid}, nil},
		{"paid elsewhere while it is charged", in(Charging), elsewhere, ending(Charging, isPaid), nil},
		{"paid elsewhere after it was charged", in(Charged), elsewhere, in(Charged), outbox.ErrNoChange},

		{"complete before anybody paid here", Payment{}, Payment.Complete, Payment{Status: Closed, Reason: isPaid}, nil},
		{"complete while it is charged", in(Charging), Payment.Complete, in(Charging), outbox.ErrNoChange},
		{"complete after it was charged", in(Charged), Payment.Complete, in(Charged), outbox.ErrNoChange},

		{"the money is returned", refunding, release(true), with(refunding, func(p *Payment) { p.Status = Refunded }), nil},
		{"there was none", ending(Unknown, isCancelled), release(false), with(ending(Unknown, isCancelled), func(p *Payment) { p.Status = Closed }), nil},
		{"returned again", in(Refunded), release(true), in(Refunded), outbox.ErrNoChange},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.rule(tt.before)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !errors.Is(err, tt.err) && (tt.err == nil || fault.KindOf(err) != fault.KindOf(tt.err) || fault.KindOf(err) == 0) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

// A payment's own fact, and that of another payment for its order.
func TestFollowPayment(t *testing.T) {
	for id, want := range map[event.ID]Status{one: Unknown, two: Refunding} {
		own, rule := followPayment(replica.Turn[Fact]{ID: id, After: Fact{OrderID: one}})
		got, err := rule(outbox.Entity[Payment]{ID: own, State: in(Unknown)})
		if own != one || got.Status != want || (err == nil) != (want == Refunding) {
			t.Errorf("payment %s: %s is %s, %v", id, own, got.Status, err)
		}
	}
}

// Only what is open is looked for, and only a charge is announced.
func TestIndexAndAnnounce(t *testing.T) {
	for _, status := range []Status{Charging, Unknown, Charged, Declined, Refunding, Refunded, Closed} {
		p := outbox.Entity[Payment]{ID: one, State: in(status)}
		open := status == Charging || status == Unknown || status == Refunding
		if found := index(p)[openIndex] == yes; found != open || p.State.Open() != open {
			t.Errorf("%s is found: %t", status, found)
		}
		subject, data, err := announce(p)
		if (subject == event.SubjectPaymentCreated) != (status == Charged) || err != nil {
			t.Errorf("%s is announced on %q as %s, %v", status, subject, data, err)
		}
	}
	if _, _, err := announce(outbox.Entity[Payment]{ID: one, State: Payment{Status: Charged}}); err == nil {
		t.Error("a charge without an id is announced")
	}
}
