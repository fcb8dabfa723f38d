package oncall_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/oncall"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica"
	"ticketing/pkg/store/bolt/bolttest"
)

// seen is the replica's state in these tests: the title.
type seen struct {
	Title string `json:"title"`
}

// station is a service with replicas of tickets, its admin handler, and a bus to feed it.
type station struct {
	t       *testing.T
	handler http.Handler
	bus     bus.Publisher
	conn    *stan.Conn
	desk    *oncall.Desk
	broken  atomic.Bool // reactions fail
}

// React implements replica.Reactor.
func (s *station) React(_ context.Context, turns []replica.Turn[seen]) (map[int]error, error) {
	if s.broken.Load() {
		return map[int]error{0: errors.New("no such seat")}, nil
	}
	return nil, nil
}

func start(t *testing.T) *station {
	t.Helper()
	s := &station{t: t}
	server := stantest.Start(t)
	conn := stantest.Connect(t, server, "station")
	s.bus, s.conn = conn, conn
	kind := replica.Kind[seen]{
		Name:     "ticket",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode: func(subject event.Subject, data []byte) (replica.Change[seen], error) {
			p, err := event.Decode[event.Ticket](subject, data)
			return replica.Change[seen]{ID: p.ID, Version: p.Version, Apply: func(seen) seen { return seen{p.Title} }}, err
		},
		React: s,
	}
	log := slog.New(slog.DiscardHandler)
	r, err := replica.Open(t.Context(), kind, bolttest.Open(t), replica.Config{MaxAttempts: 1}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	consumer := replica.NewConsumer(r, conn, replica.ConsumerConfig{Group: "station"}, log)
	go func() { ended <- consumer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.desk = &oncall.Desk{Kinds: []oncall.Kind{{Replica: r, Rebuilder: consumer}}, Log: log, Now: time.Now}
	admin := httpapi.Admin()
	s.desk.Routes(admin)
	s.handler = admin
	return s
}

func (s *station) publish(subject event.Subject, data string) {
	s.t.Helper()
	if err := s.bus.Publish(s.t.Context(), string(subject), []byte(data)); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a request and reads the answer into into, where that is not nil.
func (s *station) ask(method, path string, into any) (status int) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil))
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			s.t.Fatalf("%s %s answered %d %q: %v", method, path, w.Code, w.Body, err)
		}
	}
	return w.Code
}

// awaitParked polls until n events are parked.
func (s *station) awaitParked(n int) []oncall.Parked {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var parked []oncall.Parked
		s.ask("GET", "/parked", &parked)
		if len(parked) == n {
			slices.SortFunc(parked, func(a, b oncall.Parked) int { return strings.Compare(a.Channel, b.Channel) })
			return parked
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d events are parked after a minute, want %d", len(parked), n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const (
	version0 = `{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"a","price":1,"userId":"65a1b2c3d4e5f60718293a00"}`
	version2 = `{"id":"65a1b2c3d4e5f60718293a4b","version":2,"title":"c","price":1,"userId":"65a1b2c3d4e5f60718293a00"}`
)

func TestAPersonSeesRetriesAndDrops(t *testing.T) {
	s := start(t)
	// given an event that cannot be read, one that is no text, and one whose reaction fails
	s.broken.Store(true)
	s.publish(event.SubjectTicketCreated, version0)
	s.awaitParked(1)
	s.publish(event.SubjectTicketUpdated, `{"title":"concert"}`)
	parked := s.awaitParked(2)
	failed, poison := parked[0], parked[1]
	// then each is shown with its reason and payload
	if failed.Reason != parking.Failed || !strings.Contains(failed.Error, "no such seat") || failed.Text != version0 ||
		failed.Entity != "ticket/65a1b2c3d4e5f60718293a4b" || failed.Attempts != 1 {
		t.Errorf("failed one: %+v", failed)
	}
	if poison.Reason != parking.Poison || poison.Error != "ticket:updated: id: missing" || poison.Sequence != 1 {
		t.Errorf("poisoned one: %+v", poison)
	}
	var one oncall.Parked
	if status := s.ask("GET", "/parked/"+poison.ID, &one); status != http.StatusOK {
		t.Errorf("showing one: %d", status)
	}
	if diff := cmp.Diff(poison, one); diff != "" {
		t.Errorf("shown alone (-list +alone):\n%s", diff)
	}
	// and a retry says what came of it
	var retried oncall.Retried
	s.ask("POST", "/parked/"+failed.ID+"/retry", &retried)
	if want := (oncall.Retried{Verdict: "failed", Parked: true}); retried != want {
		t.Errorf("retry of what still fails: %+v, want %+v", retried, want)
	}
	s.broken.Store(false)
	s.ask("POST", "/parked/"+failed.ID+"/retry", &retried)
	if want := (oncall.Retried{Verdict: "apply"}); retried != want {
		t.Errorf("retry of what is mended: %+v, want %+v", retried, want)
	}
	// and what is dropped is gone
	if status := s.ask("DELETE", "/parked/"+poison.ID, nil); status != http.StatusNoContent {
		t.Errorf("drop: %d", status)
	}
	s.awaitParked(0)
	for _, method := range []string{"GET", "DELETE"} {
		if status := s.ask(method, "/parked/"+poison.ID, nil); status != http.StatusNotFound {
			t.Errorf("%s of a dropped event: %d, want 404", method, status)
		}
	}
}

func TestBytesThatAreNoTextAreShownInBase64(t *testing.T) {
	s := start(t)
	s.publish(event.SubjectTicketCreated, "\xff\x00")
	if got := s.awaitParked(1)[0]; got.Text != "" || string(got.Data) != "\xff\x00" {
		t.Errorf("shown: %+v", got)
	}
}

func TestGapsAreShownOnceTheyAreOld(t *testing.T) {
	const gapEntity = "ticket/65a1b2c3d4e5f60718293a4b"
	s := start(t)
	s.publish(event.SubjectTicketCreated, version0)
	s.publish(event.SubjectTicketUpdated, version2)
	var gaps []replica.Gap
	deadline := time.Now().Add(time.Minute)
	for (len(gaps) == 0 || gaps[0].WaitsFor != 1) && time.Now().Before(deadline) {
		s.ask("GET", "/gaps?older=0s", &gaps)
	}
	if len(gaps) != 1 || gaps[0].WaitsFor != 1 || gaps[0].Kept != 1 || gaps[0].Entity != gapEntity {
		t.Errorf("gaps: %+v", gaps)
	}
	s.ask("GET", "/gaps", &gaps)
	if len(gaps) != 0 {
		t.Errorf("gaps younger than a minute are shown: %+v", gaps)
	}
	// and a person who knows that nothing will come drops what waits
	path := "/gaps/" + gapEntity
	if status := s.ask("DELETE", path, nil); status != http.StatusNoContent {
		t.Errorf("DELETE %s: %d", path, status)
	}
	s.ask("GET", "/gaps?older=0s", &gaps)
	if len(gaps) != 0 {
		t.Errorf("after that: %+v", gaps)
	}
	for path, want := range map[string]int{
		path: http.StatusNotFound, "/gaps/ticket/x": http.StatusBadRequest, "/gaps/seat/65a1b2c3d4e5f60718293a4b": http.StatusNotFound,
	} {
		if status := s.ask("DELETE", path, nil); status != want {
			t.Errorf("DELETE %s: %d, want %d", path, status, want)
		}
	}
	if status := s.ask("GET", "/gaps?older=soon", nil); status != http.StatusBadRequest {
		t.Errorf("a bad duration: %d, want 400", status)
	}
}
