package payments_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
)

// A charge that comes to the provider after its maker has gone is no decline because the attempt before was one.
func TestADeclineIsNotThatOfTheAttemptBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		w.pay(t, id, testcards.Declined).CheckProblem(t, 400, "token")
		w.line.late.Store(int64(4 * time.Second))
		w.pay(t, id, testcards.Visa).CheckProblem(t, 503, "")
		if status := w.status(t, id); status != "unknown" {
			t.Errorf("shown as %s", status)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if status, facts := w.status(t, id), w.facts(t, id); status != "charged" || len(facts) != 1 {
			t.Errorf("then shown as %s, published %+v", status, facts)
		}
		w.checkMoney(t, id, 7840)
	})
}

// A charge that comes even later, when the attempt was given up, is found by a report.
func TestAReportOfAChargeThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		w.line.late.Store(int64(time.Minute))
		w.pay(t, id, testcards.Visa).CheckProblem(t, 503, "")
		time.Sleep(2 * time.Minute)
		if status := w.status(t, id); status != "declined" {
			t.Errorf("given up, it is shown as %s", status)
		}
		r := httptest.NewRequest("POST", "http://ticketing.localhost/api/payments/webhook", strings.NewReader(string(id)))
		r.Header.Set("Signed", "yes")
		answer := httptest.NewRecorder()
		w.service.Handler().ServeHTTP(answer, r)
		synctest.Wait()
		if status, facts := w.status(t, id), w.facts(t, id); answer.Code != 204 || status != "charged" || len(facts) != 1 {
			t.Errorf("%d, shown as %s, published %+v", answer.Code, status, facts)
		}
	})
}

// While the provider is down, open payments are looked at less and less often.
func TestTheResolverBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		w.line.lies.Store(true)
		w.pay(t, id, testcards.Visa).CheckProblem(t, 503, "")
		before := len(w.Log.Lines(slog.LevelWarn))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(w.Log.Lines(slog.LevelWarn)) - before; n < 5 || n > 20 {
			t.Errorf("%d warnings in ten minutes", n)
		}
	})
}

// A payment that can never be resolved does not hold up another one.
func TestOnePaymentDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		stuck := w.order(t, 7840)
		w.line.cutFor.Store(stuck)
		w.pay(t, stuck, testcards.Visa).CheckProblem(t, 503, "")
		time.Sleep(10 * time.Minute)
		id := w.order(t, 7840)
		w.line.late.Store(int64(2 * patience))
		w.pay(t, id, testcards.Visa).CheckProblem(t, 503, "")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if status := w.status(t, id); status != "charged" {
			t.Errorf("shown as %s", status)
		}
		w.line.cutFor.Store(id) // another one
		time.Sleep(time.Minute)
		synctest.Wait()
		if status := w.status(t, stuck); status != "declined" {
			t.Errorf("the first one, when the line is mended, is shown as %s", status)
		}
	})
}

// chargeLate charges after its maker has gone.
func (l cut) chargeLate(ctx context.Context, o payment.Order, token string) (payment.Outcome, error) {
	time.AfterFunc(time.Duration(l.late.Load()), func() {
		_, _ = l.Provider.Charge(context.WithoutCancel(ctx), o, token)
	})
	<-ctx.Done()
	return payment.Outcome{}, ctx.Err()
}
