// Package paymenttest holds what every payment.Provider must keep.
package paymenttest

import (
	"sync"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
)

// Setup is a provider under test.
type Setup struct {
	Provider payment.Provider
	// Pays and Declines are tokens of cards that do so, Unknown one of no card.
	Pays, Declines, Unknown string
	// Books returns what was charged for an order less what was returned, in cents, and how many charges there were.
	Books func(t *testing.T, order event.ID) (balance event.Price, charges int)
}

// Run checks a provider. open is called for each test.
func Run(t *testing.T, open func(t *testing.T) Setup) {
	order := func() payment.Order { return payment.Order{ID: event.NewID(time.Now()), Amount: 7840} }
	for name, check := range map[string]func(*testing.T, Setup){
		"an order nobody paid": func(t *testing.T, s Setup) {
			s.expect(t, order(), func(o payment.Order) (payment.Outcome, error) { return s.Provider.Ask(t.Context(), o) }, false, false)
		},
		"a card that pays": func(t *testing.T, s Setup) {
			o := order()
			s.charge(t, o, s.Pays, true)
			s.ask(t, o, true)
			s.books(t, o, o.Amount, 1)
		},
		"a card that is declined, then one that pays": func(t *testing.T, s Setup) {
			o := order()
			s.charge(t, o, s.Declines, false)
			s.ask(t, o, false)
			s.books(t, o, 0, 0)
			s.charge(t, o, s.Unknown, false)
			s.charge(t, o, s.Pays, true)
			s.ask(t, o, true)
			s.books(t, o, o.Amount, 1)
		},
		"an order that is paid is not charged again": func(t *testing.T, s Setup) {
			o := order()
			s.charge(t, o, s.Pays, true)
			s.charge(t, o, s.Pays, true)
			s.charge(t, o, s.Declines, true)
			s.books(t, o, o.Amount, 1)
		},
		"many at once charge once": func(t *testing.T, s Setup) {
			o := order()
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { _, _ = s.Provider.Charge(t.Context(), o, s.Pays) }) // some may be told to try again
			}
			all.Wait()
			s.charge(t, o, s.Pays, true)
			s.books(t, o, o.Amount, 1)
		},
		"a charge is returned once": func(t *testing.T, s Setup) {
			o := order()
			s.charge(t, o, s.Pays, true)
			for range 3 {
				s.release(t, o, true)
				s.books(t, o, 0, 1)
			}
			s.charge(t, o, s.Pays, false)
			s.ask(t, o, false)
			s.books(t, o, 0, 1)
		},
		"nothing is charged after a release": func(t *testing.T, s Setup) {
			o := order()
			s.charge(t, o, s.Declines, false)
			s.release(t, o, false)
			s.charge(t, o, s.Pays, false)
			s.release(t, o, false)
			s.books(t, o, 0, 0)
		},
		"an order that was never tried is released": func(t *testing.T, s Setup) {
			o := order()
			s.release(t, o, false)
			s.charge(t, o, s.Pays, false)
			s.books(t, o, 0, 0)
		},
		"releases and charges at once": func(t *testing.T, s Setup) {
			o := order()
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { _, _ = s.Provider.Charge(t.Context(), o, s.Pays) })
				all.Go(func() { _, _ = s.Provider.Release(t.Context(), o) })
			}
			all.Wait()
			if _, err := s.Provider.Release(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if balance, charges := s.Books(t, o.ID); balance != 0 || charges > 1 {
				t.Errorf("%d charges, balance %d", charges, balance)
			}
		},
		"what a page has to know": func(t *testing.T, s Setup) {
			if public := s.Provider.Public(); public.Provider == "" || (public.PublishableKey == "") == (len(public.Tokens) == 0) {
				t.Errorf("%+v", public)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

func (s Setup) expect(t *testing.T, o payment.Order, call func(payment.Order) (payment.Outcome, error), charged, reason bool) {
	t.Helper()
	outcome, err := call(o)
	if err != nil || outcome.Charged() != charged || (outcome.Reason != "") != reason {
		t.Fatalf("outcome %+v, %v; want charged %t, a reason %t", outcome, err, charged, reason)
	}
}

func (s Setup) charge(t *testing.T, o payment.Order, token string, charged bool) {
	t.Helper()
	s.expect(t, o, func(o payment.Order) (payment.Outcome, error) { return s.Provider.Charge(t.Context(), o, token) }, charged, !charged)
}

func (s Setup) ask(t *testing.T, o payment.Order, charged bool) {
	t.Helper()
	s.expect(t, o, func(o payment.Order) (payment.Outcome, error) { return s.Provider.Ask(t.Context(), o) }, charged, !charged)
}

func (s Setup) release(t *testing.T, o payment.Order, refunded bool) {
	t.Helper()
	if got, err := s.Provider.Release(t.Context(), o); err != nil || got != refunded {
		t.Fatalf("released, refunded %t, %v; want %t", got, err, refunded)
	}
}

func (s Setup) books(t *testing.T, o payment.Order, balance event.Price, charges int) {
	t.Helper()
	if gotBalance, gotCharges := s.Books(t, o.ID); gotBalance != balance || gotCharges != charges {
		t.Fatalf("%d charges, balance %d; want %d, %d", gotCharges, gotBalance, charges, balance)
	}
}
