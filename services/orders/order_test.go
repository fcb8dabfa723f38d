package orders

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
)

const (
	orderID  = event.ID("65a1b2c3d4e5f60718293aff")
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
	buyer    = event.ID("65a1b2c3d4e5f60718293a00")
	stranger = event.ID("65a1b2c3d4e5f60718293a01")

	paymentID = event.ID("65a1b2c3d4e5f60718293a10")
)

// at is a time with more digits than an event has.
var at = time.Date(2026, 1, 2, 4, 4, 5, 678_901_234, time.FixedZone("CET", 3600))

func reserved() Reserved {
	return Reserved{ID: ticketID, Title: "concert", Price: 50, Version: 3}
}

func TestReserve(t *testing.T) {
	for _, tt := range []struct {
		window time.Duration
		want   time.Time
	}{
		{15 * time.Minute, time.Date(2026, 1, 2, 3, 19, 5, 678_000_000, time.UTC)},
		{time.Millisecond, time.Date(2026, 1, 2, 3, 4, 5, 679_000_000, time.UTC)},
		{24 * time.Hour, time.Date(2026, 1, 3, 3, 4, 5, 678_000_000, time.UTC)},
	} {
		got := Reserve(buyer, reserved(), at, tt.window)
		want := Order{UserID: buyer, Status: Created, ExpiresAt: event.Time{Time: tt.want}, Ticket: reserved()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("for %v (-want +got):\n%s", tt.window, diff)
		}
	}
}

func TestCancel(t *testing.T) {
	live := Reserve(buyer, reserved(), at, time.Minute)
	cancelled, paid := live, live
	cancelled.Status = Cancelled
	paid.Status, paid.PaymentID = Complete, paymentID
	for _, tt := range []struct {
		name   string
		before Order
		user   event.ID
		want   Order
		kind   fault.Kind
		same   bool
	}{
		{"by the buyer", live, buyer, cancelled, 0, false},
		{"again", cancelled, buyer, cancelled, 0, true},
		{"by somebody else", live, stranger, live, fault.Forbidden, false},
		{"by somebody else, again", cancelled, stranger, cancelled, fault.Forbidden, false},
		{"by nobody", live, "", live, fault.Forbidden, false},
		{"when it is paid", paid, buyer, paid, fault.Conflict, false},
		{"by somebody else, when it is paid", paid, stranger, paid, fault.Forbidden, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.before.Cancel(tt.user)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Cancel (-want +got):\n%s", diff)
			}
			if fault.KindOf(err) != tt.kind || errors.Is(err, outbox.ErrNoChange) != tt.same || (tt.kind == 0 && !tt.same && err != nil) {
				t.Errorf("error is %v, want kind %v, no change %v", err, tt.kind, tt.same)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	live := Reserve(buyer, reserved(), at, time.Minute)
	cancelled, paid := live, live
	cancelled.Status = Cancelled
	paid.Status, paid.PaymentID = Complete, paymentID
	expire := Order.Expire
	pay := func(payment event.ID) func(Order) (Order, error) {
		return func(o Order) (Order, error) { return o.Pay(payment) }
	}
	for _, tt := range []struct {
		name   string
		before Order
		fact   func(Order) (Order, error)
		want   Order
		err    error
	}{
		{"a live order expires", live, expire, cancelled, nil},
		{"a cancelled one expires", cancelled, expire, cancelled, outbox.ErrNoChange},
		{"a paid one expires", paid, expire, paid, outbox.ErrNoChange},
		{"a live order is paid", live, pay(paymentID), paid, nil},
		{"a cancelled one is paid", cancelled, pay(paymentID), cancelled, errCancelled},
		{"a paid one is paid again by the same payment", paid, pay(paymentID), paid, outbox.ErrNoChange},
		{"a paid one is paid again by another", paid, pay("65a1b2c3d4e5f60718293a11"), paid, errPaid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.fact(tt.before)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v (-want +got):\n%s", err, tt.err, diff)
			}
			if err == nil && got.AsCreated() != live {
				t.Errorf("as created it is %+v, want %+v", got.AsCreated(), live)
			}
		})
	}
}

// A live order holds its ticket and no other order can hold it; a cancelled one holds nothing.
func TestKey(t *testing.T) {
	live := outbox.Entity[Order]{ID: orderID, State: Reserve(buyer, reserved(), at, time.Minute)}
	rival := outbox.Entity[Order]{ID: "65a1b2c3d4e5f60718293afe", State: Reserve(stranger, reserved(), at, time.Hour)}
	elsewhere := live
	elsewhere.State.Ticket.ID = "65a1b2c3d4e5f60718293a4c"
	cancelled, paid := live, live
	cancelled.State.Status, paid.State.Status = Cancelled, Complete
	for _, tt := range []struct {
		name  string
		order outbox.Entity[Order]
		want  string
	}{
		{"a live order", live, "ticket/65a1b2c3d4e5f60718293a4b"},
		{"a rival's", rival, "ticket/65a1b2c3d4e5f60718293a4b"},
		{"for another ticket", elsewhere, "ticket/65a1b2c3d4e5f60718293a4c"},
		{"a cancelled one", cancelled, string(orderID)},
		{"a paid one", paid, "ticket/65a1b2c3d4e5f60718293a4b"},
	} {
		if got := kind().Key(tt.order); got != tt.want {
			t.Errorf("%s has key %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestIndexIsTheBuyer(t *testing.T) {
	order := outbox.Entity[Order]{ID: orderID, State: Reserve(buyer, reserved(), at, time.Minute)}
	for _, status := range []Status{Created, Cancelled, Complete} {
		order.State.Status = status
		if diff := cmp.Diff(map[string]string{"user": string(buyer)}, kind().Index(order)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", status, diff)
		}
	}
}

func TestAnnounce(t *testing.T) {
	order := outbox.Entity[Order]{ID: orderID, State: Reserve(buyer, reserved(), at, 15*time.Minute)}

	subject, data, err := announce(order)
	want := `{"id":"65a1b2c3d4e5f60718293aff","version":0,"status":"created","userId":"65a1b2c3d4e5f60718293a00",` +
		`"expiresAt":"2026-01-02T03:19:05.678Z","ticket":{"id":"65a1b2c3d4e5f60718293a4b","price":0.5}}`
	if err != nil || subject != event.SubjectOrderCreated || string(data) != want {
		t.Fatalf("announce = %s %s, %v, want %s", subject, data, err, want)
	}
	created, err := event.Decode[event.OrderCreated](subject, data)
	wantCreated := event.OrderCreated{ID: orderID, Status: "created", UserID: buyer,
		ExpiresAt: order.State.ExpiresAt, Ticket: event.OrderTicket{ID: ticketID, Price: 50}}
	if diff := cmp.Diff(wantCreated, created); err != nil || diff != "" {
		t.Errorf("decoded, %v (-want +got):\n%s", err, diff)
	}

	order.Version, order.State.Status = 1, Cancelled
	subject, data, err = announce(order)
	want = `{"id":"65a1b2c3d4e5f60718293aff","version":1,"ticket":{"id":"65a1b2c3d4e5f60718293a4b"}}`
	if err != nil || subject != event.SubjectOrderCancelled || string(data) != want {
		t.Fatalf("announce = %s %s, %v, want %s", subject, data, err, want)
	}
	cancelled, err := event.Decode[event.OrderCancelled](subject, data)
	if wantCancelled := (event.OrderCancelled{ID: orderID, Version: 1, Ticket: event.TicketRef{ID: ticketID}}); err != nil || cancelled != wantCancelled {
		t.Errorf("decoded %+v, %v, want %+v", cancelled, err, wantCancelled)
	}

	order.State.Status = Complete
	subject, data, err = announce(order)
	if err != nil || subject != event.SubjectOrderCompleted || string(data) != want {
		t.Fatalf("announce = %s %s, %v, want %s", subject, data, err, want)
	}
}

// No version may be silent: a state without an event is not stored.
func TestAnnounceRefusesWhatHasNoEvent(t *testing.T) {
	order := outbox.Entity[Order]{ID: orderID, State: Reserve(buyer, reserved(), at, time.Minute)}
	for name, change := range map[string]func(*outbox.Entity[Order]){
		"an unknown status":        func(o *outbox.Entity[Order]) { o.Version, o.State.Status = 1, "paid" },
		"complete from the start":  func(o *outbox.Entity[Order]) { o.State.Status = Complete },
		"no status":                func(o *outbox.Entity[Order]) { o.State.Status = "" },
		"created again":            func(o *outbox.Entity[Order]) { o.Version = 1 },
		"cancelled from the start": func(o *outbox.Entity[Order]) { o.State.Status = Cancelled },
		"no ticket":                func(o *outbox.Entity[Order]) { o.State.Ticket = Reserved{} },
	} {
		changed := order
		change(&changed)
		if subject, data, err := announce(changed); err == nil {
			t.Errorf("%s is announced on %s as %s", name, subject, data)
		}
	}
}
