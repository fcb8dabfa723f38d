package testcards_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/paymenttest"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/pkg/store/storetest/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Database{
		"in memory": func(*testing.T) store.Database { return memstore.New() },
		"on disk":   func(t *testing.T) store.Database { return bolttest.Open(t) },
	} {
		t.Run(name, func(t *testing.T) {
			paymenttest.Run(t, func(t *testing.T) paymenttest.Setup {
				db := open(t)
				return paymenttest.Setup{
					Provider: openCards(t, db), Pays: testcards.Visa, Declines: testcards.Declined, Unknown: "tok_nobody",
					Books: func(t *testing.T, order event.ID) (event.Price, int) { return books(t, db, order) },
				}
			})
		})
	}
}

func openCards(t *testing.T, db store.Database) *testcards.Provider {
	t.Helper()
	cards, err := testcards.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return cards
}

func books(t *testing.T, db store.Database, order event.ID) (balance event.Price, charges int) {
	t.Helper()
	records, err := db.Collection(t.Context(), store.Spec{Name: testcards.Collection})
	if err != nil {
		t.Fatal(err)
	}
	record, err := records.Get(t.Context(), string(order))
	if errors.Is(err, store.ErrNotFound) {
		return 0, 0
	}
	var account testcards.Account
	if err == nil {
		err = json.Unmarshal(record.State, &account)
	}
	if err != nil {
		t.Fatal(err)
	}
	if account.ChargeID == "" {
		return 0, 0
	}
	if account.Refunded {
		return 0, 1
	}
	return event.Price(account.Cents), 1
}

// The cards that pay without a word: their charge is found by asking, also by an instance that comes later.
func TestAnswersThatDoNotCome(t *testing.T) {
	for _, token := range []string{testcards.Timeout, testcards.Lost} {
		synctest.Test(t, func(t *testing.T) {
			db := memstore.New()
			order := payment.Order{ID: event.NewID(time.Now()), Amount: 29}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := openCards(t, db).Charge(ctx, order, token); err == nil {
				t.Errorf("%s is answered", token)
			}
			if outcome, err := openCards(t, db).Ask(t.Context(), order); err != nil || !outcome.Charged() {
				t.Errorf("%s: %+v, %v", token, outcome, err)
			}
		})
	}
}
