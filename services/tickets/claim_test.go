package tickets

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// The orders A, B and C of the tables.
const (
	orderA = event.ID("65a1b2c3d4e5f6071829300a")
	orderB = event.ID("65a1b2c3d4e5f6071829300b")
	orderC = event.ID("65a1b2c3d4e5f6071829300c")
)

// errSold stands for the refusal with these words.
var errSold = errors.New("the ticket is sold to order " + string(orderA))

func TestClaims(t *testing.T) {
	free := Ticket{Title: "concert", Price: 2000, UserID: seller}
	held := func(by event.ID, waiting ...Claim) Ticket {
		t := free
		t.OrderID, t.Waiting = by, waiting
		return t
	}
	sold := func(to event.ID) Ticket {
		t := held(to)
		t.Sold = true
		return t
	}
	b, c, paidC := Claim{OrderID: orderB}, Claim{OrderID: orderC}, Claim{orderC, true}
	for _, tt := range []struct {
		name   string
		before Ticket
		rule   func(Ticket, event.ID) (Ticket, error)
		order  event.ID
		want   Ticket
		err    error
	}{
		{"A is created", free, Ticket.Reserve, orderA, held(orderA), nil},
		{"A is created again", held(orderA), Ticket.Reserve, orderA, held(orderA), outbox.ErrNoChange},
		{"B waits for A", held(orderA), Ticket.Reserve, orderB, held(orderA, b), outbox.ErrSilent},
		{"B waits already", held(orderA, b), Ticket.Reserve, orderB, held(orderA, b), outbox.ErrNoChange},
		{"C waits behind B", held(orderA, b), Ticket.Reserve, orderC, held(orderA, b, c), outbox.ErrSilent},
		{"nobody waits for a sold ticket", sold(orderA), Ticket.Reserve, orderB, sold(orderA), outbox.ErrNoChange},

		{"A is cancelled", held(orderA), Ticket.Release, orderA, free, nil},
		{"A is cancelled again", free, Ticket.Release, orderA, free, outbox.ErrNoChange},
		{"A is cancelled while B waits", held(orderA, b, c), Ticket.Release, orderA, held(orderB, c), nil},
		{"A is cancelled while C waits, paid", held(orderA, paidC), Ticket.Release, orderA, sold(orderC), nil},
		{"B is cancelled while it waits", held(orderA, b, c), Ticket.Release, orderB, held(orderA, c), outbox.ErrSilent},
		{"X is cancelled late", held(orderA), Ticket.Release, orderB, held(orderA), outbox.ErrNoChange},
		{"A is cancelled after it was paid", sold(orderA), Ticket.Release, orderA, free, nil},

		{"A is paid", held(orderA), Ticket.Sell, orderA, sold(orderA), outbox.ErrSilent},
		{"A is paid again", sold(orderA), Ticket.Sell, orderA, sold(orderA), outbox.ErrNoChange},
		{"A is paid before it is seen", free, Ticket.Sell, orderA, sold(orderA), nil},
		{"A is paid while B waits", held(orderA, b), Ticket.Sell, orderA, sold(orderA), outbox.ErrSilent},
		{"C is paid while it waits", held(orderA, c), Ticket.Sell, orderC, held(orderA, paidC), outbox.ErrSilent},
		{"C is paid again while it waits", held(orderA, paidC), Ticket.Sell, orderC, held(orderA, paidC), outbox.ErrNoChange},
		{"C is paid before it is seen, while A holds", held(orderA), Ticket.Sell, orderC, held(orderA, paidC), outbox.ErrSilent},
		{"a sold ticket is paid by B", sold(orderA), Ticket.Sell, orderB, sold(orderA), errSold},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stood := tt.before
			stood.Waiting = slices.Clone(tt.before.Waiting)
			got, err := tt.rule(tt.before, tt.order)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !errors.Is(err, tt.err) && (tt.err != errSold || err == nil || !strings.Contains(err.Error(), errSold.Error())) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(stood.Waiting, tt.before.Waiting); diff != "" {
				t.Errorf("the rule changed its argument:\n%s", diff)
			}
		})
	}
}

// A ticket that this service does not own is no reason to try again.
func TestAnOrderForAnUnknownTicketIsHopeless(t *testing.T) {
	id, rule := follow(replica.Turn[Order]{ID: orderA, After: Order{OrderCreated, event.TicketRef{ID: ticketID}}})
	if id != ticketID {
		t.Errorf("the reaction is at %s", id)
	}
	_, err := rule(outbox.Entity[Ticket]{ID: id, Version: event.None})
	if err == nil || !strings.Contains(err.Error(), "there is no ticket "+string(ticketID)) {
		t.Errorf("refused with %v", err)
	}
}
