package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
)

func quote(text string) string { return regexp.QuoteMeta(text) }

// matchLines compares lines with one pattern each.
func matchLines(t *testing.T, patterns, lines []string) {
	t.Helper()
	if len(patterns) != len(lines) {
		t.Fatalf("want %d lines, got %d:\n%s", len(patterns), len(lines), strings.Join(lines, "\n"))
	}
	for i, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(lines[i]) {
			t.Errorf("line %d does not match %q: %s", i+1, pattern, lines[i])
		}
	}
}

func TestPlainListenBeginsNow(t *testing.T) {
	t.Parallel()
	// Given an event that is over.
	server := stantest.Start(t)
	mustPublish(t, server, "ticket:created", "old")

	// When somebody listens to two channels, and something happens on both.
	listener := start(t, server, "listen", "ticket:created", "ticket:updated")
	listener.err.await(t, "listening to ticket:created, ticket:updated from now on; Ctrl-C ends\n")
	mustPublish(t, server, "ticket:created", "new")
	mustPublish(t, server, "ticket:updated", "new")

	// Then only that is seen.
	listener.out.await(t, `ticket:created`)
	listener.out.await(t, `ticket:updated`)
	if strings.Contains(listener.out.String(), "old") {
		t.Errorf("the old event was seen:\n%s", listener.out)
	}
}

func TestGroupGoesOnWhereItLeftOff(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	listen := []string{"listen", "ticket:created", "--group", "readers", "--durable", "shelf"}
	mustPublish(t, server, "ticket:created", "one")
	mustPublish(t, server, "ticket:created", "two")

	// Given a group that has seen two events and whose only member has left.
	first := start(t, server, listen...)
	first.out.await(t, `two\n`)
	if code := first.interrupt(); code != done {
		t.Fatalf("exit code %d", code)
	}
	first.err.await(t, `(?m)^busctl: left; lines shown: 2; durable shelf keeps its place$`)

	// When a third is published and a member joins again.
	mustPublish(t, server, "ticket:created", "three")
	second := start(t, server, listen...)

	// Then it is the only one that member sees: the acks of the others have got there.
	second.out.await(t, `\n`)
	matchLines(t, []string{`^ +3 +1 .* three$`}, second.out.lines())
}

func TestNoAckShowsRedeliveries(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	mustPublish(t, server, "ticket:created", "again")
	listener := start(t, server, "listen", "ticket:created", "--all", "--no-ack", "--ack-wait", "1s")
	listener.out.await(t, `\n +1 +2 .* again\n`)
	// Un-acked events do not hold up leaving.
	if code := listener.interrupt(); code != done {
		t.Errorf("exit code %d", code)
	}
}

func TestListenSaysWhenTheConnectionIsLostAndBack(t *testing.T) {
	t.Parallel()
	// Given a listener, and a broker that goes away.
	cfg := stanserver.Config{ClusterID: stantest.ClusterID, Dir: t.TempDir()}
	server := startServer(t, cfg)
	listener := start(t, server, "listen", "ticket:created")
	listener.err.await(t, "listening to")
	cfg.Port = port(t, server.URL())
	server.Shutdown()
	listener.err.await(t, `(?m)^busctl: .*; trying again$`)

	// When it is back.
	server = startServer(t, cfg)
	listener.err.await(t, `(?m)^busctl: connected again$`)

	// Then so are the events.
	mustPublish(t, server, "ticket:created", "after")
	listener.out.await(t, ` after\n`)
}

func TestListenEndsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	mustPublish(t, server, "ticket:created", "unseen")
	screen := newScreen()
	code := run(t.Context(), against(server, []string{"listen", "ticket:created", "--group", "readers"}),
		terminal{in: strings.NewReader(""), out: brokenPipe{}, err: screen})
	if code != failed || !strings.Contains(screen.String(), "busctl: write event 1 of ticket:created: broken pipe\n") {
		t.Errorf("exit code %d, stderr:\n%s", code, screen)
	}

	// What was not seen was not acked.
	next := start(t, server, "listen", "ticket:created", "--group", "readers")
	next.out.await(t, `unseen\n`)
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestListenWarnsOfLikelyMistakes(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	listener := start(t, server, "listen", "ticket:craeted", "--group", "orders-service")
	listener.err.await(t, `(?m)^busctl: warning: ticket:craeted: unknown subject; `)
	listener.err.await(t, `(?m)^busctl: warning: orders-service is the group of a service: `)
}

func TestLinkNews(t *testing.T) {
	t.Parallel()
	up := bus.Health{Connected: true}
	down := bus.Health{Reason: "connection lost: EOF"}
	tests := []struct {
		name          string
		before, after bus.Health
		want          string
	}{
		{"nothing new", up, up, ""},
		{"lost", up, down, "connection lost: EOF; trying again"},
		{"still lost", down, down, ""},
		{"lost for another reason", down, bus.Health{Reason: "no server"}, "no server; trying again"},
		{"back", down, bus.Health{Connected: true, Reconnects: 1}, "connected again"},
		{"lost and back between two looks", up, bus.Health{Connected: true, Reconnects: 1}, "the connection was lost for a moment"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := linkNews(test.before, test.after); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
