//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ticketing/infra/e2e/story"
	"ticketing/pkg/event"
)

// busctl is the program, and where the bus is.
type busctl struct {
	program, url, monitor string
}

// reachBus builds busctl and forwards the ports of the NATS pod.
func (c *cluster) reachBus(t *testing.T) busctl {
	t.Helper()
	program := filepath.Join(t.TempDir(), "busctl")
	if _, err := run(t.Context(), "", "go", "build", "-o", program, "./infra/busctl"); err != nil {
		t.Fatal(err)
	}
	at := c.forward(t, "deployment/nats-depl", 4222, 8222)
	return busctl{program, "nats://" + at[0], "http://" + at[1]}
}

func (b busctl) command(args ...string) *exec.Cmd {
	return exec.Command(b.program, append(args, "--url", b.url, "--monitor", b.monitor)...)
}

// publish puts events on the bus, one per line.
func (b busctl) publish(t *testing.T, subject event.Subject, lines string) {
	t.Helper()
	cmd := b.command("publish", string(subject), "-", "--lines")
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// position is where a group stands in a channel.
type position struct {
	Group   string `json:"group"`
	Lag     uint64 `json:"lag"`
	Members int    `json:"members"`
}

// lag returns the position of orders in a channel.
func (b busctl) lag(subject event.Subject) (position, error) {
	out, err := b.command("lag", "--json").Output()
	if err != nil {
		return position{}, err
	}
	var channels []struct {
		Channel  string     `json:"channel"`
		Durables []position `json:"durables"`
	}
	if err := json.Unmarshal(out, &channels); err != nil {
		return position{}, err
	}
	for _, channel := range channels {
		for _, p := range channel.Durables {
			if channel.Channel == string(subject) && p.Group == "orders-service" {
				return p, nil
			}
		}
	}
	return position{}, errors.New("the group is not known")
}

// awaitNoLag waits until orders has finished every event of a channel.
func (b busctl) awaitNoLag(t *testing.T, subject event.Subject) {
	t.Helper()
	eventually(t, "orders has finished "+string(subject), func() error {
		p, err := b.lag(subject)
		if err == nil && p.Lag != 0 {
			err = fmt.Errorf("its lag is %d", p.Lag)
		}
		return err
	})
}

// Somebody at a terminal watches the events of the pod, and publishes one that the services take.
func forwardsEvents(t *testing.T, c *cluster) {
	b := c.reachBus(t)
	listener := b.command("listen", string(event.SubjectTicketCreated), "--json")
	out, err := listener.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	listener.Stderr = &said
	if err := listener.Start(); err != nil {
		t.Fatal(err)
	}
	seller := meet(t, c, "seller")
	defer seller.Leave()
	type line struct {
		Payload event.Ticket `json:"payload"`
	}
	heard := make(chan line)
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var l line
			if json.Unmarshal(lines.Bytes(), &l) == nil {
				heard <- l
			}
		}
	}()
	// The listener hears what is published after it has joined, so tickets are sold until it does.
	sold := map[event.ID]bool{}
	deadline := time.After(patience)
	for next := time.NewTicker(500 * time.Millisecond); ; {
		select {
		case <-next.C:
			sold[event.ID(sell(t, seller, "watched").ID)] = true
			continue
		case l := <-heard:
			if !sold[l.Payload.ID] {
				t.Errorf("busctl shows %+v, which nobody sold", l)
			}
		case <-deadline:
			t.Errorf("busctl shows nothing: %s", &said)
		}
		next.Stop()
		break
	}
	if err := listener.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range heard {
	}
	if err := listener.Wait(); err != nil {
		t.Errorf("busctl ended with %v: %s", err, &said)
	}

	foreign := newTickets(1)
	b.publish(t, event.SubjectTicketCreated, foreign.lines(t))
	awaitSeen(t, seller, foreign[0])
}

// tickets are those of a seller that only the bus knows.
type tickets []story.Ticket

func newTickets(n int) (made tickets) {
	for i := range n {
		made = append(made, story.Ticket{ID: string(event.NewID(time.Now())), Title: fmt.Sprint("foreign ", i), Price: "20"})
	}
	return made
}

// lines are the events that tell of them.
func (made tickets) lines(t *testing.T) string {
	t.Helper()
	seller := event.NewID(time.Now())
	price, err := event.ParsePrice("20")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, ticket := range made {
		data, err := event.Encode(event.Ticket{ID: event.ID(ticket.ID), Title: ticket.Title, Price: price, UserID: seller})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\n", data)
	}
	return lines.String()
}
