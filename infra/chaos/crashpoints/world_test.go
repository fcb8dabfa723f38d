package crashpoints

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/infra/chaos/load"
	"ticketing/infra/chaos/process"
	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/identity"
)

// The services of a world.
const (
	roleTickets = "tickets"
	roleOrders  = "orders"
	roleDiary   = "diary"

	// These run alone: a test is all others to them.
	rolePayments   = "payments"
	roleExpiration = "expiration"
)

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = 2 * time.Minute

const key = "0123456789abcdef0123456789abcdef"

// engine is where the services keep their data: a place of its own for every service and life of its store.
type engine struct {
	// env names a place in a child's environment.
	env func(place string) []string
	// clients and pause are the load that it bears with ease: one that grows a backlog makes batches that take
	// longer and longer, and few passes of a point.
	clients int
	pause   time.Duration
	// parallel: several worlds at the same time do not get into each other's way.
	parallel bool
}

// world is three services as processes of their own around one broker.
type world struct {
	t       *testing.T
	engine  engine
	broker  *stanserver.Server
	books   app.Books
	bug     []string // in the environment of all children
	load    *load.Load
	members map[string]*member
	client  *http.Client
}

// member is the process of one service and what it comes back with after a kill.
type member struct {
	role        string
	http, admin string
	place       string
	process     *process.Process

	mu  sync.Mutex
	log bytes.Buffer
}

func newWorld(t *testing.T, e engine, bug ...string) *world {
	t.Helper()
	w := startMembers(t, e, bug, roleTickets, roleOrders, roleDiary)
	w.load = newLoad(t, e, w)
	return w
}

// startMembers starts a broker and some services, and waits until they are ready.
func startMembers(t *testing.T, e engine, env []string, roles ...string) *world {
	t.Helper()
	w := &world{t: t, engine: e, bug: env, broker: stantest.Start(t), members: map[string]*member{}}
	var err error
	if w.books, err = (app.BusConfig{NATSMonitorURL: w.broker.MonitorURL()}).OpenBooks(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.books.Close)
	w.client = &http.Client{Timeout: patience, Transport: &http.Transport{}}
	t.Cleanup(w.client.CloseIdleConnections)
	for _, role := range roles {
		addrs, err := process.FreePorts(2)
		if err != nil {
			t.Fatal(err)
		}
		m := &member{role: role, http: addrs[0], admin: addrs[1]}
		w.members[role] = m
		w.newPlace(m)
		w.start(m, "")
		t.Cleanup(func() {
			m.process.Kill()
			if t.Failed() {
				t.Logf("%s said:\n%s", m.role, m.log.String())
			}
		})
	}
	for _, m := range w.members {
		w.awaitReady(m)
	}
	return w
}

func newLoad(t *testing.T, e engine, w *world) *load.Load {
	t.Helper()
	sessions, err := identity.NewSessions([]byte(key), time.Hour, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	crowd, err := load.New(load.Config{
		Tickets: []string{"http://" + w.members[roleTickets].http}, Orders: []string{"http://" + w.members[roleOrders].http},
		Sessions: sessions, Clients: e.clients, Pause: e.pause, Timeout: patience, InUse: 6, PerTicket: 40, Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crowd.Close)
	return crowd
}

// newPlace gives a service an empty store.
func (w *world) newPlace(m *member) {
	m.place = filepath.Join(w.t.TempDir(), m.role)
}

// start starts a service's process, with its trap set if trap is not empty. While it was dead another process may have
// taken its port for a connection, for a moment: then it is started again.
func (w *world) start(m *member, trap string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := w.tryStart(m, trap)
		if err == nil {
			return
		}
		m.mu.Lock()
		said := m.log.String()
		m.log.Reset()
		m.mu.Unlock()
		if !strings.Contains(said, "address already in use") || time.Now().After(deadline) {
			w.t.Fatalf("%v; it said:\n%s", err, said)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (w *world) tryStart(m *member, trap string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	env := slices.Concat([]string{
		roleVariable + "=" + m.role, "CRASHPOINTS_TRAP=" + trap,
		"HTTP_ADDR=" + m.http, "ADMIN_ADDR=" + m.admin, "JWT_KEY=" + key, "LOG_LEVEL=info", "LOG_FORMAT=text",
		"NATS_URL=" + w.broker.URL(), "NATS_MONITOR_URL=" + w.broker.MonitorURL(),
		"NATS_CLUSTER_ID=" + stantest.ClusterID, "NATS_CLIENT_ID=" + m.role,
	}, w.engine.env(m.place), w.bug)
	var err error
	m.process, err = process.Start(ctx, process.Spec{
		Name: m.role, Path: os.Args[0], Env: env,
		Line: func(line []byte) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.log.Write(line)
		},
		Up: func(line []byte) bool { return strings.Contains(string(line), "msg=listening") },
	})
	return err
}

func (w *world) awaitReady(m *member) {
	w.t.Helper()
	reason := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		status, body, err := w.ask(http.MethodGet, m, "/readyz")
		if err == nil && status == http.StatusOK {
			return
		}
		reason = fmt.Sprint(string(body), err)
	}
	w.t.Fatalf("%s is not ready: %s", m.role, reason)
}

// setTrap sets the trap of a service that runs.
func (w *world) setTrap(m *member, trap string) {
	w.t.Helper()
	status, body, err := w.ask(http.MethodPost, m, "/trap?set="+url.QueryEscape(trap))
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("set the trap: %d %s, %v", status, body, err)
	}
}

func (w *world) ask(method string, m *member, path string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+m.admin+path, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}
