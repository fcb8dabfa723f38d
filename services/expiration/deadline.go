package expiration

import (
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
)

// Status of a deadline.
type Status string

// The states of a deadline. Each record is kept, so that an event of its order that comes again changes nothing.
//
//	Pending ──> Fired     the time is over
//	   └──────> Settled   the order was cancelled or completed first
const (
	Pending Status = "pending"
	Fired   Status = "fired"
	Settled Status = "settled"
)

// Deadline is when the time of an order is over.
type Deadline struct {
	OrderID event.ID   `json:"orderId"`
	At      event.Time `json:"at"`
	Status  Status     `json:"status"`
}

// ID is the id of the deadline. Ids are in the order of time, so the earliest deadline is the first of the list.
func (d Deadline) ID() event.ID { return event.ID(d.At.String() + "/" + string(d.OrderID)) }

// Due reports whether the time is over. At the very millisecond of the deadline it is.
func (d Deadline) Due(now time.Time) bool { return !d.At.After(now) }

// fire is the rule of the clock: a pending deadline fires, any other stays as it is.
func fire(deadline outbox.Entity[Deadline]) (Deadline, error) {
	d := deadline.State
	if d.Status != Pending {
		return d, outbox.ErrNoChange
	}
	d.Status = Fired
	return d, nil
}

// The value by which the deadlines are found that are still to fire.
const (
	pendingIndex = "pending"
	yes          = "yes"
)

// kind is how deadlines are kept.
func kind() outbox.Kind[Deadline] { return outbox.Kind[Deadline]{Index: index, Announce: announce} }

func index(deadline outbox.Entity[Deadline]) map[string]string {
	if deadline.State.Status != Pending {
		return nil
	}
	return map[string]string{pendingIndex: yes}
}

// announce returns the fact that an order's time is over. Nobody else has to know of a deadline's other versions.
func announce(deadline outbox.Entity[Deadline]) (event.Subject, []byte, error) {
	if deadline.State.Status != Fired {
		return "", nil, nil
	}
	data, err := event.Encode(event.ExpirationComplete{OrderID: deadline.State.OrderID})
	return event.SubjectExpirationComplete, data, err
}
