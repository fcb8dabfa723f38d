package stan

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Defaults of a Config.
const (
	DefaultPublishTimeout = 5 * time.Second
	DefaultPingInterval   = 2 * time.Second
)

// Config says where the broker is and who connects.
type Config struct {
	// URL of the NATS server, for instance nats://127.0.0.1:4222, or several separated by commas. It
	// may carry user:password or a token, for want of Credentials. The schemes are nats and tls.
	URL string
	// Credentials and TLS are empty where the broker asks for none.
	Credentials Credentials
	TLS         TLSFiles
	// MonitorURL is the broker's HTTP monitoring, for instance http://127.0.0.1:8222. Without it
	// the Inspector's methods return bus.ErrUnavailable, and a subscription from now on may bring
	// events from before (Conn.Subscribe).
	MonitorURL string
	// ClusterID is the NATS Streaming cluster's id.
	ClusterID string
	// ClientID names this connection and must be unique among all that are connected. Letters,
	// digits, '-' and '_'.
	ClientID string
	// PublishTimeout bounds every Publish. 0 stands for DefaultPublishTimeout.
	PublishTimeout time.Duration
	// PingInterval is how often the broker is asked whether it still knows us, in whole seconds. The
	// connection is declared lost after three intervals without an answer. 0 stands for
	// DefaultPingInterval.
	PingInterval time.Duration
	// MaxQueuedBytes bounds what waits in the client for one member's handler. Thousands of ordinary events are far
	// below it; the broker's largest, of 1 MiB, must not fill the memory of the process. 0 stands for 32 MiB.
	MaxQueuedBytes int
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// withDefaults returns cfg with defaults filled in, or the first thing that is wrong with it.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.PublishTimeout == 0 {
		cfg.PublishTimeout = DefaultPublishTimeout
	}
	if cfg.PingInterval == 0 {
		cfg.PingInterval = DefaultPingInterval
	}
	if cfg.MaxQueuedBytes == 0 {
		cfg.MaxQueuedBytes = 32 << 20
	}
	switch {
	case !idPattern.MatchString(cfg.ClientID):
		return cfg, fmt.Errorf("client id %q: only letters, digits, '-' and '_' are allowed, at least one", cfg.ClientID)
	case !idPattern.MatchString(cfg.ClusterID):
		return cfg, fmt.Errorf("cluster id %q: only letters, digits, '-' and '_' are allowed, at least one", cfg.ClusterID)
	case cfg.PublishTimeout < 0:
		return cfg, fmt.Errorf("publish timeout %v is negative", cfg.PublishTimeout)
	case cfg.PingInterval < time.Second || cfg.PingInterval%time.Second != 0:
		return cfg, fmt.Errorf("ping interval %v is not a whole number of seconds, at least one", cfg.PingInterval)
	}
	for one := range strings.SplitSeq(cfg.URL, ",") {
		if err := checkURL(one, "nats", "tls"); err != nil {
			return cfg, fmt.Errorf("NATS URL: %w", err)
		}
	}
	if err := cfg.Credentials.check(); err != nil {
		return cfg, err
	}
	return cfg, cfg.TLS.check()
}

func checkURL(raw string, schemes ...string) error {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		// The error repeats the URL, and with it a password.
		return errors.New("cannot be parsed")
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme && u.Hostname() != "" {
			return nil
		}
	}
	return fmt.Errorf("%q is not of the form %s://host:port", u.Redacted(), schemes[0])
}

// redactedURL is the URL as it may be logged.
func (cfg Config) redactedURL() string {
	var shown []string
	for one := range strings.SplitSeq(cfg.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			return "(not a URL)"
		}
		if u.User != nil {
			// A token stands where a user name does, so hide both.
			u.User = url.User("xxxxx")
		}
		shown = append(shown, u.String())
	}
	return strings.Join(shown, ",")
}
