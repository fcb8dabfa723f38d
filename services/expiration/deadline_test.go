package expiration

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

const orderID = event.ID("65a1b2c3d4e5f60718293aff")

var at = event.At(time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC))

// The ids of deadlines are in the order of time, from one end of the calendar to the other.
func TestIDsAreInTheOrderOfTime(t *testing.T) {
	var before event.ID
	for _, moment := range []time.Time{
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(999, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(0, 0),
		at.Time, at.Add(time.Millisecond), at.Add(time.Hour),
		time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC),
	} {
		id := Deadline{OrderID: orderID, At: event.At(moment)}.ID()
		if id <= before {
			t.Errorf("%s comes after %s", id, before)
		}
		before = id
	}
}

func TestDue(t *testing.T) {
	for after, want := range map[time.Duration]bool{-time.Millisecond: false, 0: true, time.Millisecond: true, 1000 * time.Hour: true} {
		if got := (Deadline{At: at}).Due(at.Add(after)); got != want {
			t.Errorf("%v after it: %t, want %t", after, got, want)
		}
	}
}

func TestFollowAndFire(t *testing.T) {
	of := func(status Status) outbox.Entity[Deadline] {
		return outbox.Entity[Deadline]{State: Deadline{OrderID: orderID, At: at, Status: status}}
	}
	none := outbox.Entity[Deadline]{Version: event.None}
	_, live := follow(replica.Turn[Order]{ID: orderID, After: Order{ExpiresAt: at}})
	_, ended := follow(replica.Turn[Order]{ID: orderID, Version: 1, After: Order{ExpiresAt: at, Ended: true}})
	for _, tt := range []struct {
		name   string
		rule   func(outbox.Entity[Deadline]) (Deadline, error)
		before outbox.Entity[Deadline]
		want   Deadline
		err    error
	}{
		{"an order is created", live, none, of(Pending).State, nil},
		{"it is created again", live, of(Pending), of(Pending).State, outbox.ErrNoChange},
		{"again after it has fired", live, of(Fired), of(Fired).State, outbox.ErrNoChange},
		{"again after it has ended", live, of(Settled), of(Settled).State, outbox.ErrNoChange},
		{"an order ends", ended, of(Pending), of(Settled).State, nil},
		{"it ends again", ended, of(Settled), of(Settled).State, outbox.ErrNoChange},
		{"it ends after it has fired", ended, of(Fired), of(Fired).State, outbox.ErrNoChange},
		{"it ended before it was seen", ended, none, Deadline{}, outbox.ErrNoChange},
		{"its time is over", fire, of(Pending), of(Fired).State, nil},
		{"another clock was first", fire, of(Fired), of(Fired).State, outbox.ErrNoChange},
		{"it ended just before", fire, of(Settled), of(Settled).State, outbox.ErrNoChange},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.rule(tt.before)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}

// Only what is pending is found by the clock, and only what has fired is announced.
func TestIndexAndAnnounce(t *testing.T) {
	for status, want := range map[Status]struct {
		found   bool
		subject event.Subject
	}{Pending: {true, ""}, Fired: {false, event.SubjectExpirationComplete}, Settled: {false, ""}} {
		deadline := outbox.Entity[Deadline]{State: Deadline{OrderID: orderID, At: at, Status: status}}
		subject, _, err := announce(deadline)
		if found := index(deadline)[pendingIndex] == yes; found != want.found || subject != want.subject || err != nil {
			t.Errorf("%s: found %t, announced on %q, %v", status, found, subject, err)
		}
	}
}
