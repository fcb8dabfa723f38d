package stan_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanlimits"
	"ticketing/pkg/bus/stan/stanserver"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestConformanceFileStore(t *testing.T) {
	t.Parallel()
	h := harness(func(t *testing.T, limit int) bustest.Broker {
		return startBroker(t, stanserver.Config{Dir: t.TempDir(), MaxMessages: limit})
	})
	h.KeepsDisk = true
	bustest.Run(t, h)
}

func TestConformanceMemoryStore(t *testing.T) {
	t.Parallel()
	bustest.Run(t, harness(func(t *testing.T, limit int) bustest.Broker {
		return startBroker(t, stanserver.Config{MaxMessages: limit})
	}))
}

// harness has what NATS Streaming cannot store or do.
func harness(start func(t *testing.T, limit int) bustest.Broker) bustest.Harness {
	return bustest.Harness{
		Start:           start,
		InvalidChannels: []string{"a..b", ".a", "a.", "a b", "a*", ">", "a/b", "ü", strings.Repeat("x", 201)},
		InvalidSubscriptions: []bus.Subscription{
			{Channel: "a", Group: "g:h", Durable: "d"},
			{Channel: "a", AckWait: stanlimits.MinAckWait - 1},
			{Channel: "a", AckWait: stanlimits.MaxAckWait + 1},
			{Channel: "a", MaxInflight: stanlimits.MaxMaxInflight + 1},
		},
	}
}

// broker is an embedded server that can be restarted on its ports.
type broker struct {
	t      testing.TB
	cfg    stanserver.Config
	server *stanserver.Server
}

func startBroker(t testing.TB, cfg stanserver.Config) *broker {
	t.Helper()
	cfg.ClusterID = "test"
	if cfg.Heartbeat == (stanserver.Heartbeat{}) {
		cfg.Heartbeat = stanserver.Heartbeat{Interval: 300 * time.Millisecond, Timeout: time.Second, Failures: 1}
	}
	server, err := stanserver.Start(cfg)
	if err != nil {
		t.Fatalf("start the broker: %v", err)
	}
	b := &broker{t: t, cfg: cfg, server: server}
	b.cfg.Port, b.cfg.MonitorPort = port(t, server.URL()), port(t, server.MonitorURL())
	t.Cleanup(func() { b.server.Shutdown() })
	return b
}

func (b *broker) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.cfg.Port))
}

func (b *broker) Restart() error {
	b.server.Shutdown()
	server, err := stanserver.Start(b.cfg)
	if err != nil {
		return fmt.Errorf("start the broker again: %w", err)
	}
	b.server = server
	return nil
}

func (b *broker) Open(t *testing.T, clientID string) (bus.Conn, bustest.Network) {
	t.Helper()
	link := linkTo(t, b)
	return open(t, b.config(clientID, link.Addr())), link
}

func (b *broker) config(clientID, addr string) stan.Config {
	return stan.Config{
		URL:            "nats://" + addr,
		MonitorURL:     b.server.MonitorURL(),
		ClusterID:      b.cfg.ClusterID,
		ClientID:       clientID,
		PublishTimeout: 2 * time.Second,
		PingInterval:   time.Second,
	}
}

func port(t testing.TB, raw string) int {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
