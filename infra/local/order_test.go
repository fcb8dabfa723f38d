package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
)

// journal keeps the log lines of the whole system.
type journal struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(line)
}

type journalLine struct {
	Level, Msg, Service, Subject, ID, Verdict string
	Version                                   event.Version
}

func (j *journal) read(t testing.TB) []journalLine {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines []journalLine
	for decoder := json.NewDecoder(bytes.NewReader(j.lines.Bytes())); decoder.More(); {
		var line journalLine
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// One ticket's versions in random order, each twice, spread by the broker over two members.
func TestAHundredVersionsInAnyOrder(t *testing.T) {
	const last = 99
	log := &journal{}
	s, stop := startSystem(t, testConfig(t), slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	conn := connect(t, s, "source")
	id, userID := event.NewID(time.Now()), event.NewID(time.Now())
	ticketAt := func(version event.Version) event.Ticket {
		return event.Ticket{ID: id, Version: version, Title: fmt.Sprint("version ", version), Price: event.Price(version) + 1, UserID: userID}
	}
	// when they are published
	var publishing errgroup.Group
	publishing.SetLimit(8)
	for _, n := range rand.Perm(2 * (last + 1)) {
		payload := ticketAt(event.Version(n / 2))
		data, err := event.Encode(payload)
		if err != nil {
			t.Fatal(err)
		}
		publishing.Go(func() error { return conn.Publish(t.Context(), string(payload.Subject()), data) })
	}
	if err := publishing.Wait(); err != nil {
		t.Fatal(err)
	}
	published := time.Now()
	// then the replica ends at the last
	replicas := ticketsOf(t, s)
	eventually(t, "the replica stands at the last version", func() bool {
		_, version, err := seen(t.Context(), replicas, id)
		return err == nil && version == last
	})
	t.Logf("converged %v after the last publish (AckWait is 5 s)", time.Since(published).Round(time.Microsecond))
	awaitLag(t, conn, event.SubjectTicketUpdated)
	if got, _, _ := seen(t.Context(), replicas, id); got.Title != "version 99" {
		t.Errorf("its content is %+v", got)
	}
	if entries := parked(t, s); len(entries) != 0 {
		t.Errorf("parked: %+v", entries)
	}
	// and each was applied exactly once, in order wherever it was applied
	stop()
	var applied []event.Version
	byMember := map[string][]event.Version{}
	for _, line := range log.read(t) {
		if line.Verdict == "apply" && line.ID == string(id) {
			applied = append(applied, line.Version)
			byMember[line.Service] = append(byMember[line.Service], line.Version)
		}
	}
	for member, versions := range byMember {
		if !slices.IsSorted(versions) {
			t.Errorf("%s applied out of order: %v", member, versions)
		}
	}
	slices.Sort(applied)
	want := make([]event.Version, last+1)
	for i := range want {
		want[i] = event.Version(i)
	}
	if !slices.Equal(applied, want) {
		t.Errorf("applied %v, want each version to %d once", applied, last)
	}
}
