package main

import (
	"strings"
	"testing"

	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
)

func TestBrokerAway(t *testing.T) {
	t.Parallel()
	// Given addresses at which nobody answers any more.
	server := stantest.Start(t)
	server.Shutdown()

	tests := []struct {
		name    string
		args    []string
		address string
	}{
		{"publish", []string{"publish", "expiration:complete", `{"orderId":"6a0000000000000000000001"}`}, server.URL()},
		{"listen", []string{"listen", "ticket:created"}, server.URL()},
		{"lag", []string{"lag", "--watch"}, server.MonitorURL()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append(test.args, "--url", server.URL(), "--monitor", server.MonitorURL(), "--wait", "2s")
			code, out, err := callWith(t, strings.NewReader(""), args...)
			if code != failed || out != "" {
				t.Errorf("exit code %d, stdout %q", code, out)
			}
			oneLine(t, err, test.address, "make run", "kubectl port-forward")
		})
	}
}

func TestWrongClusterIsNamed(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	args := []string{"publish", "ticket:created", "{}", "--url", server.URL(), "--cluster", "other", "--wait", "5s"}
	code, _, err := callWith(t, strings.NewReader(""), args...)
	if code != failed {
		t.Errorf("exit code %d", code)
	}
	oneLine(t, err, `no cluster "other"`, server.URL())
}

func TestAddressesComeFromTheEnvironment(t *testing.T) {
	server := stantest.Start(t)
	t.Setenv("NATS_URL", server.URL())
	t.Setenv("NATS_MONITOR_URL", server.MonitorURL())
	t.Setenv("NATS_CLUSTER_ID", stantest.ClusterID)

	code, out, err := callWith(t, strings.NewReader(""), "publish", "ticket:created", "{}", "--wait", patience.String())
	if code != done || out != "stored in ticket:created: 2 bytes\n" {
		t.Errorf("publish ended with %d, stdout %q, stderr %q", code, out, err)
	}
	code, out, err = callWith(t, strings.NewReader(""), "lag", "--wait", patience.String())
	if code != done || !strings.Contains(out, "ticket:created") {
		t.Errorf("lag ended with %d, stdout %q, stderr %q", code, out, err)
	}
}

func TestCredentialsComeFromTheEnvironment(t *testing.T) {
	server := startServer(t, stanserver.Config{ClusterID: stantest.ClusterID, User: "me", Password: "hidden"})
	publish := func(args ...string) (code int, out, err string) {
		return callWith(t, strings.NewReader(""), append([]string{"publish", "ticket:created", "{}", "--url", server.URL()}, args...)...)
	}
	code, out, err := publish("--wait", "2s")
	if code != failed || out != "" {
		t.Errorf("without credentials it ended with %d, stdout %q", code, out)
	}
	oneLine(t, err, "refuses the credentials, or asks for some")

	t.Setenv("NATS_PASSWORD", "hidden")
	if code, _, err := publish("--wait", patience.String()); code != badUsage || !strings.Contains(err, "go together") {
		t.Errorf("with a password alone it ended with %d, stderr %q", code, err)
	}
	if code, _, err := publish("--user", "me", "--wait", patience.String()); code != done {
		t.Errorf("with user and password it ended with %d, stderr %q", code, err)
	}
	t.Setenv("NATS_TLS_CA", "none.pem")
	if code, _, err := publish("--user", "me"); code != badUsage || !strings.Contains(err, "none.pem") {
		t.Errorf("with a CA that is not there it ended with %d, stderr %q", code, err)
	}
	if _, out, err := callWith(t, strings.NewReader(""), "help"); strings.Contains(out+err, "hidden") {
		t.Error("the help shows the password")
	}
}
