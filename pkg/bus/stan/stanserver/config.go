package stanserver

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// NoMonitor as Config.MonitorPort turns the HTTP monitoring off.
const NoMonitor = -1

// maxPayload is the largest NATS message in bytes. An event of 1 MiB fits together with its envelope, which
// the server's default of 1 MiB would refuse.
const maxPayload = 2 << 20

// Config of a server.
type Config struct {
	// Host to listen on. Empty stands for 127.0.0.1.
	Host string
	// Port for clients. 0 takes a free one.
	Port int
	// MonitorPort for the HTTP monitoring. 0 takes a free one, NoMonitor turns it off.
	MonitorPort int
	// ClusterID that clients name when they connect, of letters, digits, '-' and '_'. It must stay
	// the same for a Dir.
	ClusterID string
	// Dir keeps events and the positions of groups over a restart; it is created where missing.
	// Empty keeps everything in memory.
	Dir string
	// User and Password, or Token, are demanded of every client; empty lets everybody in. The
	// monitoring has no such protection: it must not be reachable by the public.
	User, Password string
	Token          string
	// TLS encrypts the connections of clients, and refuses those that do not want it.
	TLS TLS
	// Logger takes the server's own lines: at debug what it does, at warn what surprises it. Nil
	// discards them.
	Logger *slog.Logger
	// Heartbeat decides when a client is dead. The zero value stands for DefaultHeartbeat.
	Heartbeat Heartbeat
	// MaxMessages is how many events a channel keeps; older ones are dropped silently. 0 keeps all.
	// It is there to test what happens then.
	MaxMessages int
}

// TLS names PEM files; the zero value is no TLS.
type TLS struct {
	// Cert is the server's certificate, good for Config.Host, and Key its key.
	Cert, Key string
	// CA vouches for Cert.
	CA string
	// VerifyClients demands of every client a certificate that CA vouches for. The server's own clients
	// show Cert, so it must be good for clients too.
	VerifyClients bool
}

// Heartbeat says when a silent client is dead and its un-acked events go to others: after
// Interval x (Failures+1) where its TCP connection has ended, after (Interval + Timeout) x (Failures+1)
// where it hangs.
type Heartbeat struct {
	Interval time.Duration
	Timeout  time.Duration
	Failures int
}

// DefaultHeartbeat forgets an ended client after 10 s and a hung one after 14 s.
func DefaultHeartbeat() Heartbeat {
	return Heartbeat{Interval: 5 * time.Second, Timeout: 2 * time.Second, Failures: 1}
}

var clusterID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Heartbeat == (Heartbeat{}) {
		cfg.Heartbeat = DefaultHeartbeat()
	}
	switch {
	case !clusterID.MatchString(cfg.ClusterID):
		return cfg, fmt.Errorf("cluster id %q: only letters, digits, '-' and '_' are allowed, at least one", cfg.ClusterID)
	case cfg.Port < 0 || cfg.Port > 65535:
		return cfg, fmt.Errorf("port %d is outside 0..65535", cfg.Port)
	case cfg.MonitorPort < NoMonitor || cfg.MonitorPort > 65535:
		return cfg, fmt.Errorf("monitoring port %d is outside -1..65535", cfg.MonitorPort)
	case cfg.Port != 0 && cfg.Port == cfg.MonitorPort:
		return cfg, fmt.Errorf("port %d is wanted twice, for clients and for the monitoring", cfg.Port)
	case cfg.Heartbeat.Interval <= 0 || cfg.Heartbeat.Timeout <= 0 || cfg.Heartbeat.Failures < 0:
		return cfg, fmt.Errorf("heartbeat %+v: interval and timeout must be positive", cfg.Heartbeat)
	case cfg.Token != "" && (cfg.User != "" || cfg.Password != ""):
		return cfg, errors.New("a token and a user or password are demanded, a server takes one of the two")
	case (cfg.User == "") != (cfg.Password == ""):
		return cfg, errors.New("user and password go together")
	case cfg.TLS != (TLS{}) && (cfg.TLS.Cert == "" || cfg.TLS.Key == "" || cfg.TLS.CA == ""):
		return cfg, errors.New("TLS takes a certificate, its key and the CA")
	case cfg.MaxMessages < 0:
		return cfg, fmt.Errorf("limit of %d messages is negative", cfg.MaxMessages)
	}
	return cfg, nil
}
