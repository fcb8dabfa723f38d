//go:build node

package local

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ticketing/pkg/event"
)

// The two scripts of the NATS Streaming tutorial, unchanged, against the system at its fixed ports. They
// need node and `npm install` in tutorial/: `make test-node` does that.
func TestTheTutorialsScripts(t *testing.T) {
	cfg := testConfig(t)
	cfg.NATSAddr, cfg.MonitorAddr = "127.0.0.1:4222", "127.0.0.1:8222"
	s, _ := startSystem(t, cfg, discard())
	// given a listener and an event published before it came
	publish(t)
	listener := script(t, "listener.js")
	listener.await("Listener connected to NATS")
	listener.await(`Received event #1, with data: {"id":"123","title":"concert","price":20}`)
	// when another is published, then it comes too
	publish(t)
	listener.await(`Received event #2, with data: {"id":"123","title":"concert","price":20}`)
	listener.end()
	// and when the next listener takes over the durable, it gets only what is new
	publish(t)
	next := script(t, "listener.js")
	next.await("Received event #3, with")
	next.end()
	for _, line := range next.seen {
		if strings.Contains(line, "event #1") || strings.Contains(line, "event #2") {
			t.Errorf("the second listener was sent %q again", line)
		}
	}
	// and orders, which such an event is no use to, has parked it once and counted all three
	eventually(t, "the event is parked, with three attempts", func() bool {
		entries := parked(t, s)
		return len(entries) == 1 && entries[0].Attempts == 3
	})
	awaitOthersLag(t, s)
}

func awaitOthersLag(t *testing.T, s *System) {
	t.Helper()
	conn := connect(t, s, "spectator")
	eventually(t, "every group has acknowledged everything", func() bool {
		channel, err := conn.Channel(t.Context(), string(event.SubjectTicketCreated))
		if err != nil || len(channel.Durables) != 2 {
			return false
		}
		return channel.Lag(channel.Durables[0])+channel.Lag(channel.Durables[1]) == 0
	})
}

func publish(t *testing.T) {
	t.Helper()
	publisher := script(t, "publisher.js")
	publisher.await("Event published")
	// Killed, as its readers do with Ctrl-C: the broker keeps its client id until its heartbeats fail,
	// and lets the next one have it.
	publisher.end()
}

// runningScript is a node process whose lines are awaited.
type runningScript struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	seen  []string
}

func script(t *testing.T, name string) *runningScript {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", name)
	cmd.Dir = "tutorial"
	return runScript(t, cmd)
}

func runScript(t *testing.T, cmd *exec.Cmd) *runningScript {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &runningScript{t: t, cmd: cmd, lines: make(chan string)}
	go func() {
		defer close(s.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
	}()
	return s
}

func (s *runningScript) await(want string) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				s.t.Fatalf("%v ended without %q; it said %q", s.cmd.Args, want, s.seen)
			}
			s.seen = append(s.seen, line)
			if strings.Contains(line, want) {
				return
			}
		case <-deadline:
			s.t.Fatalf("%v has not said %q, but %q", s.cmd.Args, want, s.seen)
		}
	}
}

// end sends SIGTERM and waits for the end of the process and of its output.
func (s *runningScript) end() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	for range s.lines {
	}
	_ = s.cmd.Wait()
}
