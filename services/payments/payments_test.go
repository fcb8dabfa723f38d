package payments_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service/servicetest"
)

func TestPricesAreChargedToTheCent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		for _, price := range []string{"78.40", "19.99", "67.96", "0.29", "0.01", "99999999.99"} {
			var cents event.Price
			if err := cents.UnmarshalJSON([]byte(price)); err != nil {
				t.Fatal(err)
			}
			id := w.order(t, cents)
			w.mustPay(t, id, testcards.Visa)
			w.checkMoney(t, id, int64(cents))
			if want := strings.TrimLeft(strings.ReplaceAll(price, ".", ""), "0"); fmt.Sprint(w.account(t, id).Cents) != want {
				t.Errorf("%s was charged as %d", price, w.account(t, id).Cents)
			}
		}
	})
}

func TestAPaymentIsAnnouncedAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		if status := w.status(t, id); status != "" {
			t.Errorf("before: %s", status)
		}
		w.mustPay(t, id, testcards.Visa)
		w.mustPay(t, id, testcards.Visa) // a double click
		w.mustPay(t, id, testcards.Declined)
		synctest.Wait()
		if facts := w.facts(t, id); len(facts) != 1 || facts[0].ID != id || facts[0].StripeID != w.account(t, id).ChargeID {
			t.Errorf("published %+v", facts)
		}
		if status := w.status(t, id); status != "charged" {
			t.Errorf("shown as %s", status)
		}
		// and its own fact, and that of the order, change nothing when they come back
		servicetest.Publish(t, w.Bus, event.OrderCompleted{ID: id, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
		time.Sleep(time.Minute)
		synctest.Wait()
		w.checkMoney(t, id, 7840)
		servicetest.CheckNothingParked(t, w.service)
	})
}

func TestACardThatIsDeclinedAndThenOneThatPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		for _, token := range []string{testcards.Declined, "tok_nobody"} {
			w.pay(t, id, token).CheckProblem(t, 400, "token")
			if status := w.status(t, id); status != "declined" {
				t.Errorf("%s: shown as %s", token, status)
			}
			w.checkMoney(t, id, 0)
		}
		w.mustPay(t, id, testcards.Visa)
		w.checkMoney(t, id, 7840)
	})
}

// The answer to a payment is late or lost: the provider is asked, and the buyer gets the answer.
func TestAnswersThatDoNotCome(t *testing.T) {
	for _, token := range []string{testcards.Timeout, testcards.Lost} {
		synctest.Test(t, func(t *testing.T) {
			w := openTill(t)
			id := w.order(t, 7840)
			w.mustPay(t, id, token)
			synctest.Wait()
			w.checkMoney(t, id, 7840)
			if facts := w.facts(t, id); len(facts) != 1 {
				t.Errorf("%s: published %+v", token, facts)
			}
		})
	}
}

func TestTwoPaymentsAtOnce(t *testing.T) {
	for _, token := range []string{testcards.Visa, testcards.Timeout, testcards.Lost} {
		synctest.Test(t, func(t *testing.T) {
			w := openTill(t)
			w.open(t) // on one store
			id := w.order(t, 7840)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if answer := w.pay(t, id, token); answer.Status != 201 && answer.Status != 503 {
						t.Errorf("%s: %d %s", token, answer.Status, answer.Body)
					}
				})
			}
			all.Wait()
			synctest.Wait()
			w.mustPay(t, id, token)
			w.checkMoney(t, id, 7840)
			if facts := w.facts(t, id); len(facts) != 1 {
				t.Errorf("%s: published %+v", token, facts)
			}
		})
	}
}

func TestWhatCannotBePaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		body := fmt.Sprintf(`{"token":"tok_visa","orderId":%q}`, id)
		w.payAs(t, "", body).CheckProblem(t, 401, "")
		w.payAs(t, w.session(t, ann), body).CheckProblem(t, 403, "")
		w.pay(t, "65a1b2c3d4e5f60718293a99", testcards.Visa).CheckProblem(t, 404, "orderId")
		bob := w.session(t, bob)
		for wrong, field := range map[string]string{
			fmt.Sprintf(`{"token":"","orderId":%q}`, id):                           "token",
			fmt.Sprintf(`{"orderId":%q}`, id):                                      "token",
			fmt.Sprintf(`{"token":%q,"orderId":%q}`, strings.Repeat("t", 256), id): "token",
			`{"token":"tok_visa"}`:                                                 "orderId",
			`{"token":"tok_visa","orderId":"x"}`:                                   "orderId",
			`{"token":7,"orderId":"x"}`:                                            "",
		} {
			if answer := w.payAs(t, bob, wrong); answer.Status != 400 || !strings.Contains(answer.Body, field) {
				t.Errorf("%s: %d %s", wrong, answer.Status, answer.Body)
			}
		}
		cancelled := w.order(t, 7840)
		w.cancel(t, cancelled, 1)
		w.pay(t, cancelled, testcards.Visa).CheckProblem(t, 409, "orderId")
		complete := w.order(t, 7840)
		servicetest.Publish(t, w.Bus, event.OrderCompleted{ID: complete, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
		synctest.Wait()
		w.pay(t, complete, testcards.Visa).CheckProblem(t, 409, "orderId")
		elsewhere := w.order(t, 7840)
		servicetest.Publish(t, w.Bus, event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: elsewhere, StripeID: "ch_1"})
		synctest.Wait()
		w.pay(t, elsewhere, testcards.Visa).CheckProblem(t, 409, "orderId")
		time.Sleep(15 * time.Minute)
		w.pay(t, id, testcards.Visa).CheckProblem(t, 409, "orderId")
		for _, order := range []event.ID{id, cancelled, complete, elsewhere} {
			w.checkMoney(t, order, 0)
		}
		for _, query := range []string{"", "?orderId=", "?orderId=x"} {
			servicetest.Call(t, w.service.Handler(), servicetest.Request{Line: "GET /api/payments" + query, Session: bob}).CheckProblem(t, 400, "orderId")
		}
	})
}

// An order that is cancelled gets its money back, once, whatever its payment was about.
func TestACancelledOrderGetsItsMoneyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		w.mustPay(t, id, testcards.Visa)
		w.cancel(t, id, 1)
		w.cancel(t, id, 1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.checkMoney(t, id, 0)
		if status := w.status(t, id); status != "refunded" {
			t.Errorf("shown as %s", status)
		}
		if lines := w.Log.Lines(slog.LevelWarn); len(lines) != 1 || !strings.Contains(lines[0], "money was returned") || !strings.Contains(lines[0], string(id)) {
			t.Errorf("logged %q", lines)
		}
		w.pay(t, id, testcards.Visa).CheckProblem(t, 409, "orderId")
		w.checkMoney(t, id, 0)
	})
}

func TestAnOrderIsCancelledWhileItIsPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		id := w.order(t, 7840)
		answer := make(chan servicetest.Answer)
		go func() { answer <- w.pay(t, id, testcards.Timeout) }()
		time.Sleep(time.Second) // it is charged, and nobody knows
		w.cancel(t, id, 1)
		(<-answer).CheckProblem(t, 409, "orderId")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.checkMoney(t, id, 0)
		if facts := w.facts(t, id); len(facts) != 0 || w.status(t, id) != "refunded" {
			t.Errorf("published %+v, shown as %s", facts, w.status(t, id))
		}
	})
}

// A provider that hangs or answers nonsense: the buyer is asked to come back, and nothing is guessed.
func TestAProviderThatDoesNotAnswer(t *testing.T) {
	for _, hangs := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := openTill(t)
			id := w.order(t, 7840)
			w.line.hangs.Store(hangs)
			w.line.lies.Store(!hangs)
			for range 3 {
				answer := w.pay(t, id, testcards.Visa)
				answer.CheckProblem(t, 503, "")
				if answer.Header.Get("Retry-After") == "" {
					t.Error("it does not say when to come back")
				}
			}
			if status := w.status(t, id); status != "unknown" {
				t.Errorf("shown as %s", status)
			}
			time.Sleep(time.Minute)
			w.line.hangs.Store(false)
			w.line.lies.Store(false)
			time.Sleep(2 * time.Minute) // it found nothing charged, and says so
			if status := w.status(t, id); status != "declined" {
				t.Errorf("then shown as %s", status)
			}
			w.mustPay(t, id, testcards.Visa)
			w.checkMoney(t, id, 7840)
		})
	}
}

// A report of the provider hastens what asking would find out, and says nothing by itself.
func TestReportsOfTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTill(t)
		report := func(order event.ID, signed string) int {
			r := httptest.NewRequest("POST", "http://ticketing.localhost/api/payments/webhook", strings.NewReader(string(order)))
			r.Header.Set("Signed", signed)
			answer := httptest.NewRecorder()
			w.service.Handler().ServeHTTP(answer, r)
			return answer.Code
		}
		id := w.order(t, 7840)
		w.line.hangs.Store(true)
		w.pay(t, id, testcards.Visa).CheckProblem(t, 503, "")
		if status := report(id, "yes"); status != 503 || w.status(t, id) != "unknown" {
			t.Errorf("while nobody can be asked: %d, %s", status, w.status(t, id))
		}
		w.line.hangs.Store(false)
		cards, err := testcards.Open(t.Context(), w.db)
		if err == nil { // the attempt that hung comes through
			_, err = cards.Charge(t.Context(), payment.Order{ID: id, Amount: 7840}, testcards.Visa)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if status := report(id, "yes"); status != 204 || w.status(t, id) != "charged" {
				t.Errorf("%d, %s", status, w.status(t, id))
			}
		}
		other := w.order(t, 7840)
		if unsigned, unknown := report(other, "no"), report(other, "yes"); unsigned != 400 || unknown != 204 || w.status(t, other) != "" {
			t.Errorf("unsigned %d, of a payment nobody made %d, %s", unsigned, unknown, w.status(t, other))
		}
	})
}

// Whatever a buyer, the seller's other services and the machine do in whatever order: an order is charged at most once,
// what was charged is announced once, and a cancelled order keeps no money.
func TestMoneyAndOrdersAgree(t *testing.T) {
	steps := []string{testcards.Visa, testcards.Declined, testcards.Lost, testcards.Timeout, "cancel", "elsewhere", "complete", "restart", "hang", "answer", "wait"}
	rapid.Check(t, func(r *rapid.T) {
		way := rapid.SliceOfN(rapid.SampledFrom(steps), 1, 12).Draw(r, "way")
		synctest.Test(t, func(t *testing.T) {
			w := openTill(t)
			id := w.order(t, 7840)
			ended, completed, announced := false, false, false
			for _, step := range way {
				switch step {
				case "cancel": // also one that is paid, as the Node version does, with the next version
					version := event.Version(1)
					if completed {
						version = 2
					}
					w.cancel(t, id, version)
					ended = true
				case "elsewhere":
					announced = announced || len(w.facts(t, id)) > 0
					if !announced {
						servicetest.Publish(t, w.Bus, event.PaymentCreated{ID: event.NewID(time.Now()), OrderID: id, StripeID: "ch_1"})
					}
				case "complete":
					if completed = completed || len(w.facts(t, id)) > 0 && !ended; completed {
						servicetest.Publish(t, w.Bus, event.OrderCompleted{ID: id, Version: 1, Ticket: event.TicketRef{ID: ticketID}})
					}
				case "restart":
					w.stop()
					w.open(t)
				case "hang", "answer":
					w.line.hangs.Store(step == "hang")
				case "wait":
					time.Sleep(20 * time.Second)
				default:
					w.pay(t, id, step)
				}
				synctest.Wait()
			}
			w.line.hangs.Store(false)
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			own := slices.DeleteFunc(w.facts(t, id), func(f event.PaymentCreated) bool { return f.ID != id })
			status, want := w.status(t, id), int64(0)
			if status == "charged" {
				want = 7840
			}
			w.checkMoney(t, id, want)
			switch {
			case !slices.Contains([]string{"", "charged", "declined", "refunded", "closed"}, status):
				t.Errorf("in the end it is %s", status)
			case len(own) > 1, status == "charged" && len(own) != 1:
				t.Errorf("it is %s, published %+v", status, own)
			case ended && status == "charged":
				t.Error("a cancelled order keeps its money")
			}
			servicetest.CheckNothingParked(t, w.service)
		})
		if t.Failed() {
			r.FailNow()
		}
	})
}
