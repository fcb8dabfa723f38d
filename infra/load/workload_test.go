package main

import (
	"math"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testWorkload(m mix) *workload {
	w := &workload{mix: m, users: 2}
	for _, id := range []string{"a", "b", "c"} {
		w.tickets = append(w.tickets, ticket{id: id, owner: len(w.tickets) % 2})
	}
	return w
}

// story is what n requests ask; every order gets an id.
func story(seed uint64, m mix, n int) (asked []string, methods map[string]int) {
	w, random := testWorkload(m), rand.New(rand.NewPCG(seed, 1))
	methods = map[string]int{}
	for range n {
		r := w.next(random)
		if r.made != nil {
			r.made("order")
		}
		asked = append(asked, r.method+" "+r.path+" "+r.body)
		methods[r.method]++
	}
	return asked, methods
}

func TestTheSeedDecidesWhatIsAsked(t *testing.T) {
	m := mix{Reads: 7, Creates: 1, Updates: 1, Orders: 1}
	first, _ := story(1, m, 100)
	same, _ := story(1, m, 100)
	other, _ := story(2, m, 100)
	if diff := cmp.Diff(first, same); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, other) {
		t.Error("another seed asked the same")
	}
}

func TestTheMixIsAskedInItsParts(t *testing.T) {
	const n = 10_000
	_, methods := story(1, mix{Reads: 60, Updates: 30, Creates: 10}, n)
	for method, want := range map[string]float64{http.MethodGet: 0.6, http.MethodPut: 0.3, http.MethodPost: 0.1} {
		if got := float64(methods[method]) / n; math.Abs(got-want) > 0.02 {
			t.Errorf("%.3f are %s, want %.1f", got, method, want)
		}
	}
}

// Orders are given back, each once and by its buyer, so that tickets stay free.
func TestAnOrderIsCancelledOnce(t *testing.T) {
	w, random := testWorkload(mix{Orders: 1}), rand.New(rand.NewPCG(1, 1))
	w.placeOrder(1, "a").made("first")
	for range 100 {
		if r := w.next(random); r.method == http.MethodDelete {
			if r.path != "/api/orders/first" || r.user != 1 {
				t.Errorf("cancelled %s as user %d", r.path, r.user)
			}
			if len(w.held) != 0 {
				t.Error("it can be cancelled again")
			}
			return
		}
	}
	t.Error("it was never cancelled")
}
