package tickets_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
)

func TestEventsAreTheContractByteForByte(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	created := s.Expect(t, post(session, `{"price":20.50,"title":"Rock & Roll <live> \u2028\ud83c\udfb8"}`), 201)
	id := servicetest.Decode[ticket](t, created).ID
	s.Expect(t, put(id, session, `{"title":"opera","price":99999999.99}`), 200)
	s.Expect(t, put(id, session, `{"title":"opera","price":100}`), 200)
	s.Stop()

	for subject, want := range map[event.Subject][]string{
		event.SubjectTicketCreated: {
			fmt.Sprintf(`{"id":"%s","version":0,"title":"Rock & Roll <live> \u2028🎸","price":20.5,"userId":"%s"}`, id, ann),
		},
		event.SubjectTicketUpdated: {
			fmt.Sprintf(`{"id":"%s","version":1,"title":"opera","price":99999999.99,"userId":"%s"}`, id, ann),
			fmt.Sprintf(`{"id":"%s","version":2,"title":"opera","price":100,"userId":"%s"}`, id, ann),
		},
	} {
		if diff := cmp.Diff(want, servicetest.Published(t, s.bus, subject, len(want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", subject, diff)
		}
	}
	checkOutboxEmpty(t, s.store)
}

// checkOutboxEmpty finds that what was published has been forgotten.
func checkOutboxEmpty(t *testing.T, db store.Database) {
	t.Helper()
	c, err := db.Collection(t.Context(), store.Spec{Name: "tickets"})
	if err != nil {
		t.Fatal(err)
	}
	if pending, err := c.Pending(t.Context(), "", 1); err != nil || len(pending) > 0 {
		t.Errorf("still in the outbox: %v, %v", pending, err)
	}
}

// Without If-Match the service reads and decides again: no update is lost, and no version is left out.
func TestConcurrentEditsEachGetAVersion(t *testing.T) {
	const clients, edits = 16, 5
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.offer(t)
	titles := make([]string, clients*edits+1) // by the version that the client was told
	titles[0] = sold.Title
	answers := make(chan servicetest.Answer, clients*edits)
	var editing errgroup.Group
	for c := range clients {
		editing.Go(func() error {
			for e := range edits {
				answer, err := s.Send(put(sold.ID, session, draftOf(c*edits+e)))
				if err != nil || answer.Status != 200 {
					return fmt.Errorf("client %d: %d %s, %w", c, answer.Status, answer.Body, err)
				}
				answers <- answer
			}
			return nil
		})
	}
	if err := editing.Wait(); err != nil {
		t.Fatal(err)
	}
	close(answers)
	for answer := range answers {
		got := servicetest.Decode[ticket](t, answer)
		if got.Version < 1 || int(got.Version) >= len(titles) || titles[got.Version] != "" {
			t.Fatalf("version %d of %q was given before, or never should", got.Version, got.Title)
		}
		titles[got.Version] = got.Title
	}

	// Then the bus has each version once, in order, with the content its client sent
	s.Stop()
	events := slices.Concat(
		servicetest.Published(t, s.bus, event.SubjectTicketCreated, 1),
		servicetest.Published(t, s.bus, event.SubjectTicketUpdated, clients*edits))
	var published []string
	for i, data := range events {
		got, err := event.Decode[event.Ticket](event.Ticket{Version: event.Version(i)}.Subject(), []byte(data))
		if err != nil || got.Version != event.Version(i) {
			t.Fatalf("event %d is %s, %v", i, data, err)
		}
		published = append(published, got.Title)
	}
	if diff := cmp.Diff(titles, published); diff != "" {
		t.Errorf("titles by version (-told to clients +published):\n%s", diff)
	}
}

func TestTheBusIsAway(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)

	// Given a broker that is gone, when tickets are offered and edited, then that goes on
	s.broker.Shutdown()
	sold := s.offer(t)
	for i := range store.MaxOutbox - 1 {
		s.Expect(t, put(sold.ID, session, draftOf(i)), 200)
	}
	servicetest.Eventually(t, "it says that the bus is away", func() bool { return s.Health(t).Lacks("bus", "") })
	if h := s.Health(t); !h.Ready || !h.Degraded {
		t.Errorf("health without the bus is %+v, want degraded and ready", h)
	}

	// Until a hundred events of one ticket wait; others are not held up
	refused := s.MustSend(t, put(sold.ID, session, draftOf(1)))
	refused.CheckProblem(t, 503, "")
	if refused.Header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", refused.Header)
	}
	shown := servicetest.Decode[ticket](t, s.Expect(t, get("/api/tickets/"+string(sold.ID)), 200))
	if shown.Version != store.MaxOutbox-1 || shown.Title != "draft 98" {
		t.Errorf("the ticket is %+v", shown)
	}
	s.offer(t)
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}

	// When the broker is back, then all of it is published, and edits go on
	restart(t, s.broker)
	if events := servicetest.Published(t, s.bus, event.SubjectTicketUpdated, store.MaxOutbox-1); !inOrder(events) {
		t.Errorf("published out of order: %q", events)
	}
	servicetest.Published(t, s.bus, event.SubjectTicketCreated, 2)
	servicetest.Eventually(t, "the ticket can be edited", func() bool {
		answer, err := s.Send(put(sold.ID, session, draftOf(1)))
		return err == nil && answer.Status == 200
	})
}

// restart starts an empty broker where the old one was.
func restart(t *testing.T, old *stanserver.Server) {
	t.Helper()
	var port, monitorPort int
	if _, err := fmt.Sscanf(old.URL(), "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(old.MonitorURL(), "http://127.0.0.1:%d", &monitorPort); err != nil {
		t.Fatal(err)
	}
	broker, err := stanserver.Start(stanserver.Config{ClusterID: stantest.ClusterID, Port: port, MonitorPort: monitorPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Shutdown)
}

// inOrder tells whether the first copies of versions 1.. come in order.
func inOrder(events []string) bool {
	next := 1
	for _, data := range events {
		if strings.Contains(data, fmt.Sprintf(`"version":%d,`, next)) {
			next++
		}
	}
	return next == store.MaxOutbox
}

func TestTheStoreIsAway(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.offer(t)
	s.store.SetAway(true)
	for _, r := range []servicetest.Request{
		post(session, concert), put(sold.ID, session, draftOf(1)), get("/api/tickets"), get("/api/tickets/" + string(sold.ID)),
	} {
		answer := s.MustSend(t, r)
		answer.CheckProblem(t, 503, "")
		if answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After in %v", r.Line, answer.Header)
		}
		if strings.Contains(answer.Body, "cue") {
			t.Errorf("%s tells internals: %s", r.Line, answer.Body)
		}
	}
	if h := s.Health(t); h.Ready || !h.Lacks("store", "on cue") {
		t.Errorf("health without the store is %+v, want unready for it", h)
	}
	// what a client does wrong is still said to be so
	s.MustSend(t, post("", concert)).CheckProblem(t, 401, "")
	s.MustSend(t, post(session, `{}`)).CheckProblem(t, 400, "title")

	// When it is back, then it has what it had, and all goes on
	s.store.SetAway(false)
	s.AwaitReady(t)
	if got := servicetest.Decode[[]ticket](t, s.Expect(t, get("/api/tickets"), 200)); len(got) != 1 || got[0] != sold {
		t.Errorf("tickets are %+v, want %+v", got, sold)
	}
	s.Expect(t, put(sold.ID, session, draftOf(1)), 200)
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}
