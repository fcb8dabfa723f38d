package story_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"ticketing/infra/e2e/story"
	"ticketing/infra/local"
)

// The walk that proves a cluster is itself proven by the system in one process.
func TestWalk(t *testing.T) {
	front := startSystem(t)
	steps := 0
	if err := story.Walk(t.Context(), front, func(string) { steps++ }); err != nil {
		t.Fatal(err)
	}
	if steps != 7 {
		t.Errorf("%d steps were told, want 7", steps)
	}
}

func TestTheWalkTellsWhatIsWrong(t *testing.T) {
	front := startSystem(t)
	front.ConnectTo, front.BaseURL = strings.TrimPrefix(front.BaseURL, "http://"), "http://ticketing.localhost/nothing"
	err := story.Walk(t.Context(), front, func(step string) { t.Errorf("%s: done", step) })
	if !story.Is(err, http.StatusNotFound) || !strings.Contains(err.Error(), "POST /api/users/signup answered 404, want 201") {
		t.Errorf("Walk = %v", err)
	}
}

func startSystem(t *testing.T) story.Front {
	t.Helper()
	s, err := local.Start(t.Context(), local.Config{
		GatewayAddr: "127.0.0.1:0", NATSAddr: "127.0.0.1:0", MonitorAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), SessionTTL: time.Hour, OrderWindow: time.Hour,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return story.Front{BaseURL: s.GatewayURL()}
}
