package local

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus/bustest"
	"ticketing/pkg/event"
	"ticketing/services/orders"
)

// Many clients write while two members of orders listen, the broker is restarted once, and one member dies
// in the middle and is replaced. At the end every replica equals its ticket, version for version.
func TestNothingIsLostUnderLoad(t *testing.T) {
	const clients, perClient, updates = 32, 63, 5 // 2,016 tickets, 10,080 updates
	log := &journal{}
	s, stop := startSystem(t, testConfig(t), slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	pinBroker(t, s)
	victim := replaceByMortal(t, s)

	// given the load
	var done atomic.Int64
	made := make([][]ticket, clients)
	var writing errgroup.Group
	for c := range clients {
		u := signUp(t, s, fmt.Sprint("client", c))
		made[c] = make([]ticket, perClient)
		writing.Go(func() error { return u.writeTickets(made[c], updates, &done) })
	}
	// when a third of it is through, the broker goes away and comes back; at two thirds a member dies
	total := int64(clients * perClient * (1 + updates))
	eventually(t, "a third is written", func() bool { return done.Load() > total/3 })
	s.broker.Shutdown()
	after := done.Load()
	eventually(t, "writes go on without the broker", func() bool { return done.Load() > after+100 })
	if err := s.startBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two thirds are written", func() bool { return done.Load() > 2*total/3 })
	victim.die()
	addOrders(t, s, "orders-3", s.NATSURL())
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}

	// then every replica equals its ticket, and nothing is parked
	replicas := ticketsOf(t, s)
	for _, ticket := range slices.Concat(made...) {
		if ticket.Version != updates {
			t.Errorf("ticket %s stands at %d after %d updates", ticket.ID, ticket.Version, updates)
		}
		eventually(t, fmt.Sprintf("orders has seen version %d of %s", ticket.Version, ticket.ID),
			func() bool { return differs(t.Context(), replicas, ticket) == "" })
	}
	conn := connect(t, s, "spectator")
	awaitLag(t, conn, event.SubjectTicketCreated)
	awaitLag(t, conn, event.SubjectTicketUpdated)
	if entries := parked(t, s); len(entries) != 0 {
		t.Errorf("%d events are parked, the first: %+v", len(entries), entries[0])
	}
	stop()
	if bytes.Contains(log.lines.Bytes(), []byte(`"level":"ERROR"`)) {
		t.Errorf("the log has errors:\n%.2000s", log.lines.String())
	}
}

// writeTickets creates as many tickets as mine has room for and changes each of them some times.
func (u *user) writeTickets(mine []ticket, updates int, done *atomic.Int64) error {
	for i := range mine {
		if err := u.expect("POST", "/api/tickets", draft(fmt.Sprint("ticket ", i), 10+i), http.StatusCreated, &mine[i]); err != nil {
			return err
		}
		done.Add(1)
	}
	for round := range updates {
		for i := range mine {
			path := "/api/tickets/" + string(mine[i].ID)
			if err := u.expect("PUT", path, draft(fmt.Sprint("round ", round), 100+round), http.StatusOK, &mine[i]); err != nil {
				return err
			}
			done.Add(1)
		}
	}
	return nil
}

// pinBroker makes a broker that is started again come back where it was.
func pinBroker(t testing.TB, s *System) {
	t.Helper()
	for _, pin := range []struct {
		url  string
		addr *string
	}{{s.NATSURL(), &s.cfg.NATSAddr}, {s.MonitorURL(), &s.cfg.MonitorAddr}} {
		u, err := url.Parse(pin.url)
		if err != nil {
			t.Fatal(err)
		}
		*pin.addr = u.Host
	}
}

// mortal is a member whose connection to the bus can be cut for ever, as death does.
type mortal struct {
	t    testing.TB
	s    *System
	m    *member
	link *bustest.Link
}

// replaceByMortal takes the place of the first member of orders.
func replaceByMortal(t testing.TB, s *System) *mortal {
	t.Helper()
	for i, m := range s.members {
		if m.name == "orders-1" {
			if err := m.stop(); err != nil {
				t.Fatal(err)
			}
			s.members = append(s.members[:i], s.members[i+1:]...)
			break
		}
	}
	link, err := bustest.NewLink(strings.TrimPrefix(s.NATSURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.open(t.Context(), ordersOf(s), "orders-mortal", "nats://"+link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	m.start(s.gateway)
	awaitMember(t, m)
	return &mortal{t: t, s: s, m: m, link: link}
}

// die cuts the member off with whatever it has taken and not acknowledged.
func (v *mortal) die() {
	v.link.Cut()
	v.m.leaveGateway()
	v.m.endRun()
	v.t.Cleanup(func() {
		<-v.m.ended
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it cannot say goodbye
		_ = v.m.conn.Close(ctx)
		v.link.Close()
	})
}

// ordersOf is the orders service of a system.
func ordersOf(s *System) part {
	parts := s.parts()
	return parts[slices.IndexFunc(parts, func(p part) bool { return p.name == orders.Name })]
}

func addOrders(t testing.TB, s *System, name, natsURL string) {
	t.Helper()
	m, err := s.open(t.Context(), ordersOf(s), name, natsURL)
	if err != nil {
		t.Fatal(err)
	}
	s.members = append(s.members, m)
	m.start(s.gateway)
	awaitMember(t, m)
}

func awaitMember(t testing.TB, m *member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.service.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}
