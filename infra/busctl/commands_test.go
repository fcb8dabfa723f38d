package main

import (
	"strings"
	"testing"
)

func TestBadUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"listn"}, `did you mean "listen"`},
		{"help of an unknown command", []string{"help", "nosuch"}, "nosuch"},
		{"unknown flag", []string{"lag", "--grup"}, "--grup"},
		{"no subject", []string{"listen"}, "<subject>"},
		{"invalid subject to listen to", []string{"listen", "a..b"}, "empty token"},
		{"subject named twice", []string{"listen", "a", "b", "a"}, "a is named twice"},
		{"durable without group", []string{"listen", "a", "--durable", "d"}, "--durable needs --group"},
		{"all with group", []string{"listen", "a", "--group", "g", "--all"}, "--all is not for groups"},
		{"group with a blank", []string{"listen", "a", "--group", "g h"}, "blank"},
		{"ack wait too short", []string{"listen", "a", "--ack-wait", "10ms"}, "AckWait"},
		{"ack wait without a unit", []string{"listen", "a", "--ack-wait", "5"}, "--ack-wait"},
		{"negative in flight", []string{"listen", "a", "--max-inflight=-1"}, "MaxInflight"},
		{"no payload", []string{"publish", "ticket:created"}, "<json>"},
		{"invalid subject to publish to", []string{"publish", "ticket created", "{}"}, "has the character ' '"},
		{"payload not quoted", []string{"publish", "a", "{", "}"}, "unexpected argument }"},
		{"lines without stdin", []string{"publish", "a", "{}", "--lines"}, "--lines goes with -"},
		{"argument of lag", []string{"lag", "ticket:created"}, "unexpected argument"},
		{"retry of nothing", []string{"parked", "retry"}, "name the events, or say --all"},
		{"retry of some and all", []string{"parked", "retry", "x", "--all"}, "name the events, or say --all"},
		{"age without a unit", []string{"gaps", "--older", "5"}, "--older"},
		{"entity without an id", []string{"gaps", "drop", "ticket"}, "kind/id"},
		{"interval", []string{"lag", "--watch", "--interval", "0s"}, "--interval 0s"},
		{"not a URL", []string{"publish", "a", "{}", "--url", "localhost"}, "nats://host:port"},
		{"not a monitoring URL", []string{"lag", "--monitor", "localhost:8222"}, "http://host:port"},
		{"client id", []string{"publish", "a", "{}", "--client", "a.b"}, `client id "a.b"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, out, err := callWith(t, strings.NewReader(""), test.args...)
			if code != badUsage {
				t.Errorf("exit code %d, want %d", code, badUsage)
			}
			if out != "" {
				t.Errorf("stdout has %q", out)
			}
			oneLine(t, err, test.want, "see `busctl help`")
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		want []string
	}{
		{[]string{"help"}, []string{"publish", "listen", "lag", "$NATS_URL", "nats://127.0.0.1:4222"}},
		{[]string{"--help"}, []string{"publish", "listen", "lag"}},
		{[]string{"help", "listen"}, []string{"busctl listen <subject>", "--group", "--no-ack", "default 5s"}},
		{[]string{"publish", "--help"}, []string{"busctl publish <subject> <json>", "--lines"}},
		{[]string{"help", "lag"}, []string{"--json", "--watch"}},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			t.Parallel()
			code, out, err := callWith(t, strings.NewReader(""), test.args...)
			if code != done || err != "" {
				t.Errorf("exit code %d, stderr %q", code, err)
			}
			for _, part := range test.want {
				if !strings.Contains(out, part) {
					t.Errorf("the help lacks %q:\n%s", part, out)
				}
			}
		})
	}
}

func TestNoArgumentsIsBadUsageWithTheHelp(t *testing.T) {
	t.Parallel()
	code, out, err := callWith(t, strings.NewReader(""))
	if code != badUsage || out != "" || !strings.Contains(err, "Usage: busctl <command>") {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, out, err)
	}
}
