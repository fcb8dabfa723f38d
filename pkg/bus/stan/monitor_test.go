package stan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
)

// inspect is the monitoring that the handler answers.
func inspect(t *testing.T, handle http.HandlerFunc) *Monitor {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return newMonitor(t, server.URL+"/")
}

func newMonitor(t *testing.T, url string) *Monitor {
	t.Helper()
	monitor, err := NewMonitor(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(monitor.Close)
	return monitor
}

func TestChannelAddsUpMembers(t *testing.T) {
	monitor := inspect(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("channel"); r.URL.Path != "/streaming/channelsz" || got != "ticket:created" {
			t.Errorf("asked %s", r.URL)
		}
		fmt.Fprint(w, `{"name":"ticket:created","msgs":9,"bytes":900,"first_seq":2,"last_seq":10,"subscriptions":[
			{"client_id":"a","queue_name":"d:g","is_durable":true,"last_sent":7,"pending_count":2},
			{"client_id":"b","queue_name":"d:g","is_durable":true,"last_sent":9,"pending_count":1},
			{"client_id":"c","queue_name":"away:g","is_durable":true,"is_offline":true,"last_sent":3,"pending_count":1},
			{"client_id":"d","queue_name":"no-durable","last_sent":3},
			{"client_id":"e","durable_name":"no-group","is_durable":true,"last_sent":3},
			{"client_id":"f","last_sent":10}]}`)
	})
	got, err := monitor.Channel(context.Background(), "ticket:created")
	if err != nil {
		t.Fatal(err)
	}
	want := bus.Channel{
		Name: "ticket:created", Messages: 9, Bytes: 900, FirstSeq: 2, LastSeq: 10,
		Durables: []bus.Durable{
			{Name: "away", Group: "g", LastSent: 3, Pending: 1},
			{Name: "d", Group: "g", LastSent: 9, Pending: 3, Members: 2},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChannelsReadsEveryPage(t *testing.T) {
	const total = 2*monitorPage + 1
	pages := 0
	monitor := inspect(t, func(w http.ResponseWriter, r *http.Request) {
		pages++
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		page := channelszPage{Total: total}
		for i := offset; i < min(offset+limit, total); i++ {
			page.Channels = append(page.Channels, channelz{Name: fmt.Sprintf("c%05d", i)})
			page.Count++
		}
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
	})
	got, err := monitor.Channels(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != total || got[total-1].Name != fmt.Sprintf("c%05d", total-1) || pages != 3 {
		t.Errorf("got %d channels in %d pages, want %d in 3", len(got), pages, total)
	}
}

func TestMonitoringThatFails(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"another server": http.NotFound,
		"an error":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"not JSON":       func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"negative":       func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"last_seq":-1,"total":"x"}`) },
		"cut off":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"name":"a`) },
		"hangs up":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"never there":    nil,
	}
	for name, handle := range tests {
		t.Run(name, func(t *testing.T) {
			monitor := inspect(t, handle)
			if handle == nil {
				monitor = newMonitor(t, "")
			}
			if _, err := monitor.Channel(context.Background(), "a"); !errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("Channel: %v, want ErrUnavailable", err)
			}
			if _, err := monitor.Channels(context.Background()); !errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("Channels: %v, want ErrUnavailable", err)
			}
		})
	}
}

func TestChannelThatIsNotThere(t *testing.T) {
	monitor := inspect(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Channel nothing not found", http.StatusNotFound) // the words of the real one: see bustest
	})
	got, err := monitor.Channel(context.Background(), "nothing")
	if err != nil || !cmp.Equal(got, bus.Channel{Name: "nothing"}) {
		t.Errorf("got %+v, %v, want it empty", got, err)
	}
	if _, err := monitor.Channel(context.Background(), "a..b"); !errors.Is(err, bus.ErrChannel) {
		t.Errorf("got %v, want ErrChannel", err)
	}
}

func TestAMonitoringURLThatIsNone(t *testing.T) {
	if _, err := NewMonitor("127.0.0.1:8222"); err == nil || !strings.Contains(err.Error(), "monitoring URL") {
		t.Errorf("NewMonitor: %v", err)
	}
	cfg := valid()
	cfg.MonitorURL = "nats://127.0.0.1:8222"
	if _, err := Open(cfg, nil); err == nil || !strings.Contains(err.Error(), "monitoring URL") {
		t.Errorf("Open: %v", err)
	}
}
