package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
)

func TestPublishThenListenAll(t *testing.T) {
	t.Parallel()
	// Given an event and a poisoned one, both published, the second with a warning.
	server := stantest.Start(t)
	good := goldenEvent(t, event.SubjectTicketCreated)
	code, out, err := call(t, server, "", "publish", "ticket:created", good)
	if code != done || err != "" || out != fmt.Sprintf("stored in ticket:created: %d bytes\n", len(good)) {
		t.Fatalf("publish ended with %d, stdout %q, stderr %q", code, out, err)
	}
	code, out, err = call(t, server, "{\"price\":\"20\"}\n", "publish", "ticket:created", "-")
	if code != done || out != "stored in ticket:created: 14 bytes\n" {
		t.Fatalf("publish ended with %d, stdout %q, stderr %q", code, out, err)
	}
	oneLine(t, err, "warning: the event breaks the contract: ticket:created: id: missing")

	// When somebody listens from the oldest event on, then both are there.
	listener := start(t, server, "listen", "ticket:created", "--all")
	listener.out.await(t, `\n +2 `)
	want := []string{
		`^ +1 +1 +\S+  ticket:created +` + quote(good) + `$`,
		`^ +2 +1 +\S+  ticket:created +` + quote(`{"price":"20"}`) + `$`,
	}
	matchLines(t, want, listener.out.lines())

	// And leaving is in order.
	if code := listener.interrupt(); code != done {
		t.Errorf("exit code %d", code)
	}
	listener.err.await(t, `(?m)^busctl: listening to ticket:created from the oldest event on; Ctrl-C ends$`)
	listener.err.await(t, `(?m)^busctl: left; lines shown: 2$`)
}

func TestPublishedBytesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	payloads := []string{`{ "a" : 1e400 }`, "not JSON\n\x1b[31m", "\xff\xfe", "", strings.Repeat("x", 1<<20)}
	for _, payload := range payloads {
		mustPublish(t, server, "poison", payload+"\n")
	}
	listener := start(t, server, "listen", "poison", "--all", "--json")
	listener.out.await(t, `"sequence":5,[^\n]*\n`)

	var got []string
	for _, line := range listener.out.lines() {
		var e eventJSON
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%.200s: %v", line, err)
		}
		got = append(got, string(e.Payload)+string(e.Raw))
	}
	payloads[0] = `{"a":1e400}` // the line is compact
	if diff := cmp.Diff(payloads, got); diff != "" {
		t.Errorf("payloads (-want +got):\n%.2000s", diff)
	}
}

func TestPublishLines(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	code, out, err := call(t, server, "{\"n\":1}\n\n{\"n\":2}\r\n{\"n\":3}", "publish", "other", "-", "--lines")
	if code != done || out != "stored in other: 3 events\n" {
		t.Fatalf("publish ended with %d, stdout %q, stderr %q", code, out, err)
	}
	oneLine(t, err, "warning: other: unknown subject; the contract has ticket:created, ")
	listener := start(t, server, "listen", "other", "--all")
	listener.out.await(t, `"n":3`)
	matchLines(t, []string{`^ +1 .*"n":1}$`, `^ +2 .*"n":2}$`, `^ +3 .*"n":3}$`}, listener.out.lines())
}

func TestPublishLinesNamesTheLineThatBreaksTheContract(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	stdin := goldenEvent(t, event.SubjectTicketUpdated) + "\n{}\n"
	code, out, err := call(t, server, stdin, "publish", "ticket:updated", "-", "--lines")
	if code != done || out != "stored in ticket:updated: 2 events\n" {
		t.Errorf("publish ended with %d, stdout %q", code, out)
	}
	oneLine(t, err, "warning: line 2 breaks the contract: ticket:updated: id: missing")
}

func TestPublishTooLargeFailsAndSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	stdin := "{}\n" + strings.Repeat("x", 3<<20) + "\n{}\n"
	code, out, err := call(t, server, stdin, "publish", "other", "-", "--lines")
	if code != failed || out != "" {
		t.Errorf("exit code %d, stdout %q", code, out)
	}
	if !strings.Contains(err, "busctl: line 2, after 1 stored: publish to other: nats: maximum payload exceeded\n") {
		t.Errorf("stderr:\n%s", err)
	}
}

// deaf is a broker that answers nothing.
type deaf struct{}

func (deaf) Publish(context.Context, string, []byte) error {
	return fmt.Errorf("publish: %w", bus.ErrUnavailable)
}

func TestAnUnansweredPublishIsNotCalledLost(t *testing.T) {
	t.Parallel()
	p := &publish{Subject: "expiration:complete"}
	err := p.one(t.Context(), deaf{}, terminal{err: newScreen()}, "the event", []byte("{}"))
	if err == nil || !strings.Contains(err.Error(), "not known whether the event was stored") {
		t.Errorf("got %v", err)
	}
}
