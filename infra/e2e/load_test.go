//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/infra/e2e/story"
)

// The load: so many people, each doing one round of five requests in so much time. It is a pace that a small
// cluster keeps up with, and the stand-in for MongoDB too, which scans a collection for every read.
const (
	people = 4
	pace   = 500 * time.Millisecond
	// firstPrice is that of a ticket when it is sold; each edit asks for one more.
	firstPrice = 100
)

// load is people who edit tickets, read, order and cancel, until they are stopped. Each has tickets of their
// own, so that every answer can be told in advance: a change that is lost or doubled shows at once.
type load struct {
	folk []*customer
	stop context.CancelFunc
	wait sync.WaitGroup

	requests atomic.Int64
	slowest  atomic.Int64 // nanoseconds
	mu       sync.Mutex
	failures []error
}

// customer is one of them.
type customer struct {
	*story.Person
	// edited is changed over and over, held is ordered and given back.
	edited, held story.Ticket
	orders       int
}

// startLoad returns when everybody has tickets that orders has seen, and rounds have begun.
func startLoad(t *testing.T, c *cluster) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	t.Cleanup(func() {
		cancel()
		l.wait.Wait()
	})
	for i := range people {
		someone := meet(t, c, fmt.Sprint("customer", i))
		l.folk = append(l.folk, &customer{
			Person: someone, edited: sell(t, someone, "edited"), held: sell(t, someone, "held"),
		})
	}
	for _, p := range l.folk {
		awaitSeen(t, p.Person, p.held) // not the other: it takes an order, and nobody edits a ticket that is held
		p.orders = countOrders(t, p.Person)
	}
	for i, p := range l.folk {
		l.wait.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			time.Sleep(pace * time.Duration(i) / people)
			for ctx.Err() == nil {
				l.round(p)
				<-tick.C
			}
		})
	}
	return l
}

// round is five requests. It is never cut off by the end of the load, so that no outcome is unknown.
func (l *load) round(p *customer) {
	ctx := context.Background()
	l.do(func() error {
		after, err := p.Edit(ctx, p.edited.ID, "edited", firstPrice+1+int(p.edited.Version))
		if err == nil && after.Version != p.edited.Version+1 {
			err = fmt.Errorf("edited to version %d, want %d", after.Version, p.edited.Version+1)
		}
		if err == nil {
			p.edited = after
		}
		return err
	})
	l.do(func() error {
		var shown story.Ticket
		err := p.Do(ctx, http.MethodGet, "/api/tickets/"+p.edited.ID, nil, http.StatusOK, &shown)
		if err == nil && shown != p.edited {
			err = fmt.Errorf("shown %+v, want %+v", shown, p.edited)
		}
		return err
	})
	var order story.Order
	if !l.do(func() (err error) {
		order, err = p.Order(ctx, p.held.ID)
		return err
	}) {
		return
	}
	p.orders++
	l.do(func() error { return p.Cancel(ctx, order.ID) })
	l.do(func() error {
		return p.Do(ctx, http.MethodGet, "/api/orders?limit=1", nil, http.StatusOK, &[]story.Order{})
	})
}

// do makes one request, and tells whether it was answered as it should be.
func (l *load) do(request func() error) bool {
	began := time.Now()
	err := request()
	l.requests.Add(1)
	if took := int64(time.Since(began)); took > l.slowest.Load() {
		l.slowest.Store(took) // nearly the slowest will do
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failures = append(l.failures, fmt.Errorf("%s, after %v: %w",
			began.Format(time.TimeOnly), time.Since(began).Round(time.Millisecond), err))
	}
	return err == nil
}

// more waits until so many more requests have been answered.
func (l *load) more(t *testing.T, requests int64) {
	t.Helper()
	want := l.requests.Load() + requests
	eventually(t, fmt.Sprint(requests, " more requests"), func() error {
		if got := l.requests.Load(); got < want {
			return fmt.Errorf("%d are left", want-got)
		}
		return nil
	})
}

// end stops the load and checks that nothing failed, and that nothing was lost or done twice: neither in the
// services that were asked nor in the one that listens.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.wait.Wait()
	t.Logf("%d requests, %d failed, the slowest took %v",
		l.requests.Load(), len(l.failures), time.Duration(l.slowest.Load()).Round(time.Millisecond))
	for i, err := range l.failures {
		if i == 40 {
			t.Errorf("and %d more", len(l.failures)-i)
			break
		}
		t.Error(err)
	}
	for _, p := range l.folk {
		if got := countOrders(t, p.Person); got != p.orders {
			t.Errorf("%s has %d orders, want %d", p.Email, got, p.orders)
		}
		awaitSeen(t, p.Person, p.edited)
		p.Leave()
	}
}

// edits is how many changes of tickets were published by a load that has ended.
func (l *load) edits() (count int) {
	for _, p := range l.folk {
		count += int(p.edited.Version)
	}
	return count
}

// countOrders counts a person's orders, page by page, and fails where one of them still holds its ticket.
func countOrders(t *testing.T, p *story.Person) (count int) {
	t.Helper()
	after := ""
	for {
		var page []story.Order
		path := "/api/orders?limit=200" + after
		if err := p.Do(t.Context(), http.MethodGet, path, nil, http.StatusOK, &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			if o.Status != "cancelled" {
				t.Errorf("order %s is %s", o.ID, o.Status)
			}
		}
		count += len(page)
		if len(page) < 200 {
			return count
		}
		after = "&after=" + page[len(page)-1].ID
	}
}

func meet(t *testing.T, c *cluster, name string) *story.Person {
	t.Helper()
	p, err := story.Meet(t.Context(), c.front, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sell(t *testing.T, p *story.Person, title string) story.Ticket {
	t.Helper()
	ticket, err := p.Sell(t.Context(), title, firstPrice)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func awaitSeen(t *testing.T, p *story.Person, ticket story.Ticket) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := story.AwaitSeen(ctx, p, ticket); err != nil {
		t.Fatal(err)
	}
}
