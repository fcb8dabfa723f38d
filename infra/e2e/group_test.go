//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/event"
)

// Each event goes to one member of the group, and both have work.
func sharesEvents(t *testing.T, c *cluster) {
	b := c.reachBus(t)
	made := newTickets(200)
	b.publish(t, event.SubjectTicketCreated, made.lines(t))
	b.awaitNoLag(t, event.SubjectTicketCreated)

	// The line of a decision may be in the log a moment after its ack.
	handledBy := map[string]map[string]int{}
	eventually(t, "the logs tell of every event", func() error {
		told := 0
		for _, pod := range c.pods(t, "orders-depl") {
			handledBy[pod.Name] = c.applied(t, pod.Name, made)
			told += len(handledBy[pod.Name])
		}
		if told < len(made) {
			return fmt.Errorf("%d of %d", told, len(made))
		}
		return nil
	})
	by := map[string]string{}
	for pod, ids := range handledBy {
		t.Logf("%s has applied %d events", pod, len(ids))
		if len(ids) == 0 {
			t.Errorf("%s has applied none of %d events", pod, len(made))
		}
		for id, times := range ids {
			if times != 1 || by[id] != "" {
				t.Errorf("%s was applied %d times by %s, and by %q", id, times, pod, by[id])
			}
			by[id] = pod
		}
	}
}

// applied counts, by ticket, the decisions of a pod to apply an event of these tickets.
func (c *cluster) applied(t *testing.T, pod string, of tickets) map[string]int {
	t.Helper()
	wanted := map[string]bool{}
	for _, ticket := range of {
		wanted[ticket.ID] = true
	}
	counts := map[string]int{}
	for lines := bufio.NewScanner(strings.NewReader(c.kubectl(t, "logs", pod))); lines.Scan(); {
		var line struct {
			Message string `json:"msg"`
			Verdict string `json:"verdict"`
			ID      string `json:"id"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "event" && line.Verdict == "apply" && wanted[line.ID] {
			counts[line.ID]++
		}
	}
	return counts
}

// What is changed while no pod of orders runs is there when one runs again.
func catchesUp(t *testing.T, c *cluster) {
	seller := meet(t, c, "seller")
	defer seller.Leave()
	c.scale(t, 0, "orders-depl")
	const n = 50
	var sold tickets
	for i := range n {
		ticket := sell(t, seller, "while nobody listens")
		for range 3 {
			var err error
			if ticket, err = seller.Edit(t.Context(), ticket.ID, fmt.Sprint("changed ", i), 100+int(ticket.Version)); err != nil {
				t.Fatal(err)
			}
		}
		sold = append(sold, ticket)
	}
	began := time.Now()
	c.scale(t, 2, "orders-depl")
	t.Logf("two pods ready in %v", time.Since(began).Round(100*time.Millisecond))
	for _, ticket := range sold {
		awaitSeen(t, seller, ticket)
	}
	t.Logf("%d changes of %d tickets seen within %v of scaling up", 4*n, n, time.Since(began).Round(100*time.Millisecond))
}

// handover is how long events may be stuck with a pod that died. The broker forgets it after 10 s (its
// heartbeats); the rest is for a slow machine.
const handover = 30 * time.Second

// A pod of orders is killed with events that it has taken and not acknowledged.
func takesOver(t *testing.T, c *cluster) {
	b := c.reachBus(t)
	found, published := make(chan struct{}), make(chan tickets, 1)
	enough := sync.OnceFunc(func() { close(found) })
	defer enough()
	go func() { // until a pod lags behind: one may keep up with a publisher on a busy machine
		var made tickets
		for {
			some := newTickets(800)
			b.publish(t, event.SubjectTicketCreated, some.lines(t))
			made = append(made, some...)
			select {
			case <-found:
				published <- made
				return
			default:
			}
		}
	}()
	var victim string
	var held uint64
	eventually(t, "a pod holds many un-acked events", func() error {
		pending, err := b.pending(t, event.SubjectTicketCreated)
		for pod, n := range pending {
			if n > 50 && n > held {
				victim, held = pod, n
			}
		}
		if err == nil && victim == "" {
			err = fmt.Errorf("they hold %v", pending)
		}
		return err
	})
	began := time.Now()
	c.kubectl(t, "delete", "pod", victim, "--grace-period=0", "--force")
	enough()
	made := <-published
	eventually(t, "nothing is stuck with the dead pod", func() error {
		pending, err := b.pending(t, event.SubjectTicketCreated)
		if n, known := pending[victim]; err == nil && known && n > 0 {
			err = fmt.Errorf("%d events", n)
		}
		return err
	})
	took := time.Since(began)
	t.Logf("%s held %d un-acked events; others had them after %v", victim, held, took.Round(100*time.Millisecond))
	if took > handover {
		t.Errorf("that is more than %v", handover)
	}
	b.awaitNoLag(t, event.SubjectTicketCreated)
	t.Logf("all %d events were handled after %v", len(made), time.Since(began).Round(100*time.Millisecond))
	buyer := meet(t, c, "buyer")
	defer buyer.Leave()
	for i := 0; i < len(made); i += len(made) / 32 {
		awaitSeen(t, buyer, made[i])
	}
	c.scale(t, 2, "orders-depl")
}

// pending returns how many events each pod of orders has taken and not acknowledged, from the monitoring.
func (b busctl) pending(t *testing.T, subject event.Subject) (map[string]uint64, error) {
	t.Helper()
	_, body, err := get(t.Context(), b.monitor+"/streaming/channelsz?subs=1&channel="+string(subject))
	if err != nil {
		return nil, err
	}
	var channel struct {
		Subscriptions []struct {
			ClientID string `json:"client_id"`
			Queue    string `json:"queue_name"`
			Pending  uint64 `json:"pending_count"`
		} `json:"subscriptions"`
	}
	if err := json.Unmarshal([]byte(body), &channel); err != nil {
		return nil, fmt.Errorf("decode %.100q: %w", body, err)
	}
	pending := map[string]uint64{}
	for _, s := range channel.Subscriptions {
		if s.Queue == "orders-service:orders-service" {
			pending[s.ClientID] += s.Pending
		}
	}
	return pending, nil
}
