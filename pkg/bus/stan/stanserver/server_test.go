package stanserver_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	stango "github.com/nats-io/stan.go"
	"go.uber.org/goleak"

	"ticketing/pkg/bus/stan/stanserver"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, cfg stanserver.Config) *stanserver.Server {
	t.Helper()
	s, err := stanserver.Start(cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t *testing.T, s *stanserver.Server) stango.Conn {
	t.Helper()
	conn, err := stango.Connect("test", "client", stango.NatsURL(s.URL()))
	if err != nil {
		t.Fatalf("connect to %s: %v", s.URL(), err)
	}
	return conn
}

func portOf(t *testing.T, url string) int {
	t.Helper()
	port, err := strconv.Atoi(url[strings.LastIndex(url, ":")+1:])
	if err != nil {
		t.Fatalf("no port in %q", url)
	}
	return port
}

func TestServesClientsAndMonitoring(t *testing.T) {
	s := start(t, stanserver.Config{ClusterID: "test"})

	conn := connect(t, s)
	if err := conn.Publish("ticket:created", []byte("{}")); err != nil {
		t.Errorf("publish: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}

	resp, err := http.Get(s.MonitorURL() + "/streaming/channelsz?channel=ticket:created")
	if err != nil {
		t.Fatalf("monitoring: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("monitoring answers %s", resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestMonitoringCanBeOff(t *testing.T) {
	s := start(t, stanserver.Config{ClusterID: "test", MonitorPort: stanserver.NoMonitor})
	if s.MonitorURL() != "" {
		t.Errorf("MonitorURL is %q, want none", s.MonitorURL())
	}
}

func TestKeepsEventsOverARestart(t *testing.T) {
	// Given a server that has stored an event, and is gone.
	cfg := stanserver.Config{ClusterID: "test", Dir: t.TempDir()}
	first := start(t, cfg)
	conn := connect(t, first)
	if err := conn.Publish("ticket:created", []byte("kept")); err != nil {
		t.Fatalf("publish: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	first.Shutdown()

	// When one starts on the same folder and the same ports.
	cfg.Port, cfg.MonitorPort = portOf(t, first.URL()), portOf(t, first.MonitorURL())
	second := start(t, cfg)

	// Then the event is there.
	conn = connect(t, second)
	got := make(chan string, 1)
	if _, err := conn.Subscribe("ticket:created", func(m *stango.Msg) { got <- string(m.Data) }, stango.DeliverAllAvailable()); err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	select {
	case data := <-got:
		if data != "kept" {
			t.Errorf("got %q", data)
		}
	case <-time.After(30 * time.Second):
		t.Error("the event did not come back")
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStartsAfterACrashInTheMiddleOfAWrite(t *testing.T) {
	// Given a folder whose last record a crash has cut short,
	cfg := stanserver.Config{ClusterID: "test", Dir: t.TempDir()}
	s := start(t, cfg)
	conn := connect(t, s)
	for _, data := range []string{"kept", "cut short"} {
		if err := conn.Publish("ticket:created", []byte(data)); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.Shutdown()
	file := filepath.Join(cfg.Dir, "ticket:created", "msgs.1.dat")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-3); err != nil {
		t.Fatal(err)
	}

	// when the server starts, twice, then it has what is whole.
	for range 2 {
		s = start(t, cfg)
		conn = connect(t, s)
		got := make(chan string, 2)
		if _, err := conn.Subscribe("ticket:created", func(m *stango.Msg) { got <- string(m.Data) }, stango.StartWithLastReceived()); err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		select {
		case data := <-got:
			if data != "kept" {
				t.Errorf("the last event is %q", data)
			}
		case <-time.After(30 * time.Second):
			t.Error("the event did not come back")
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		s.Shutdown()
	}
}

func TestKeepsMoreChannelsThanTheLibraryWould(t *testing.T) {
	s := start(t, stanserver.Config{ClusterID: "test"})
	conn := connect(t, s)
	for i := range 150 { // the library's default is 100
		if err := conn.Publish("channel-"+strconv.Itoa(i), nil); err != nil {
			t.Fatalf("publish to channel %d: %v", i, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := portOf(t, taken.Addr().String())

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "server.dat"), []byte("not a server file"), 0o600); err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct {
		cfg  stanserver.Config
		want string
	}{
		"no cluster id":        {stanserver.Config{}, "cluster id"},
		"port out of range":    {stanserver.Config{ClusterID: "test", Port: 70000}, "port 70000"},
		"monitor port":         {stanserver.Config{ClusterID: "test", MonitorPort: -2}, "monitoring port -2"},
		"one port for both":    {stanserver.Config{ClusterID: "test", Port: takenPort, MonitorPort: takenPort}, "wanted twice"},
		"heartbeat":            {stanserver.Config{ClusterID: "test", Heartbeat: stanserver.Heartbeat{Interval: 1}}, "heartbeat"},
		"limit":                {stanserver.Config{ClusterID: "test", MaxMessages: -1}, "limit"},
		"port taken":           {stanserver.Config{ClusterID: "test", Port: takenPort}, "address already in use"},
		"monitor port taken":   {stanserver.Config{ClusterID: "test", MonitorPort: takenPort}, "address already in use"},
		"folder is a file":     {stanserver.Config{ClusterID: "test", Dir: file}, "data folder"},
		"folder inside file":   {stanserver.Config{ClusterID: "test", Dir: filepath.Join(file, "x")}, "data folder"},
		"lock is not a file":   {stanserver.Config{ClusterID: "test", Dir: withFolder(t, "server.lck")}, "cannot be written"},
		"folder is corrupt":    {stanserver.Config{ClusterID: "test", Dir: broken}, "server.dat"},
		"cluster id has blank": {stanserver.Config{ClusterID: "a b"}, "cluster id"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := stanserver.Start(tt.cfg)
			if err == nil {
				s.Shutdown()
				t.Fatal("it has started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not name %q", err, tt.want)
			}
		})
	}
}

func TestRefusesTheFolderOfAnotherCluster(t *testing.T) {
	dir := t.TempDir()
	start(t, stanserver.Config{ClusterID: "one", Dir: dir}).Shutdown()
	s, err := stanserver.Start(stanserver.Config{ClusterID: "two", Dir: dir})
	if err == nil {
		s.Shutdown()
		t.Fatal("it has started")
	}
	if !strings.Contains(err.Error(), `"one"`) {
		t.Errorf("error %q does not name the cluster", err)
	}
}

func withFolder(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
