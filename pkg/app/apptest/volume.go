package apptest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
)

// CheckVolume starts a service on the bus whose volume is full, as far as the service is told. It must be
// ready all the same, say on /readyz that it is degraded, and show the log's size on /metrics. And
// it must refuse a volume that has no size. good is an environment with which it starts.
func CheckVolume(t *testing.T, name string, good []string, broker *stanserver.Server) {
	t.Helper()
	got := Refusal(t, Environ(good, "BROKER_VOLUME=2GB")...)
	if !strings.HasPrefix(got, name+": ") || !strings.Contains(got, "BROKER_VOLUME") {
		t.Errorf("it said %q, want a line of %s with BROKER_VOLUME", got, name)
	}

	if err := stantest.Connect(t, broker, "publisher").Publish(t.Context(), "payment:created", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	p := Start(t, Environ(good, "BROKER_VOLUME=1")...)
	p.AwaitReady(t)
	p.awaitAnswer(t, "/readyz", "of 1 bytes: full in 0.0 days")
	p.awaitAnswer(t, "/metrics", "\nticketing_broker_log_days_left 0\n")
	p.AwaitReady(t)
}

// awaitAnswer waits until the admin listener answers 200 with these words.
func (p *Program) awaitAnswer(t testing.TB, path, words string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		answer, err := client.Get("http://" + p.Admin + path)
		var body []byte
		status := 0
		if err == nil {
			status = answer.StatusCode
			body, err = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
		if err == nil && status == http.StatusOK && strings.Contains(string(body), words) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %q; %s says %d %s, %v; the log %s", words, path, status, body, err, p.Log())
		}
	}
}
