package stan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
)

func valid() Config {
	return Config{URL: "nats://127.0.0.1:4222", MonitorURL: "http://127.0.0.1:8222", ClusterID: "ticketing", ClientID: "orders-0"}
}

func TestConfigDefaults(t *testing.T) {
	got, err := valid().withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if got.PublishTimeout != DefaultPublishTimeout || got.PingInterval != DefaultPingInterval {
		t.Errorf("defaults are %v and %v", got.PublishTimeout, got.PingInterval)
	}
}

func TestConfigIsChecked(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string // in the error; empty for none
	}{
		"as it is":                 {func(*Config) {}, ""},
		"several URLs":             {func(c *Config) { c.URL = "nats://a:4222, tls://b:4222" }, ""},
		"no monitoring":            {func(c *Config) { c.MonitorURL = "" }, ""},
		"no client id":             {func(c *Config) { c.ClientID = "" }, "client id"},
		"client id with a dot":     {func(c *Config) { c.ClientID = "orders.0" }, `client id "orders.0"`},
		"no cluster id":            {func(c *Config) { c.ClusterID = "" }, "cluster id"},
		"no URL":                   {func(c *Config) { c.URL = "" }, "NATS URL"},
		"URL without a scheme":     {func(c *Config) { c.URL = "127.0.0.1:4222" }, "NATS URL"},
		"URL without a host":       {func(c *Config) { c.URL = "nats://:4222" }, "NATS URL"},
		"wrong scheme":             {func(c *Config) { c.URL = "http://127.0.0.1:4222" }, "NATS URL"},
		"second URL is wrong":      {func(c *Config) { c.URL += ",x" }, "NATS URL"},
		"user and password":        {func(c *Config) { c.Credentials = Credentials{User: "u", Password: "hidden"} }, ""},
		"token":                    {func(c *Config) { c.Credentials = Credentials{Token: "hidden"} }, ""},
		"token and user":           {func(c *Config) { c.Credentials = Credentials{Token: "hidden", User: "u", Password: "hidden"} }, "one of the two"},
		"password, no user":        {func(c *Config) { c.Credentials = Credentials{Password: "hidden"} }, "go together"},
		"user, no password":        {func(c *Config) { c.Credentials = Credentials{User: "u"} }, "go together"},
		"no CA file":               {func(c *Config) { c.TLS.CA = "testdata/none.pem" }, "read the CA"},
		"CA file without a CA":     {func(c *Config) { c.TLS.CA = "config.go" }, "no certificate in config.go"},
		"certificate, no key":      {func(c *Config) { c.TLS.Cert = "config.go" }, "go together"},
		"certificate that is none": {func(c *Config) { c.TLS.Cert, c.TLS.Key = "config.go", "config.go" }, "read certificate and key"},
		"negative time-out":        {func(c *Config) { c.PublishTimeout = -1 }, "publish timeout"},
		"pings too fast":           {func(c *Config) { c.PingInterval = time.Millisecond }, "ping interval"},
		"pings between seconds":    {func(c *Config) { c.PingInterval = 1500 * time.Millisecond }, "ping interval"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := valid()
			tt.change(&cfg)
			_, err := cfg.withDefaults()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error about %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "hidden"):
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, secret := range []string{
		"nats://user:hidden@a:4222", "nats://hidden@a:4222", "nats://b:1,nats://user:hidden@a:4222",
		"http://user:hidden@a:4222", "nats://user:hidden@a:99999999999999999999x",
	} {
		cfg := valid()
		cfg.URL = secret
		if shown := cfg.redactedURL(); strings.Contains(shown, "hidden") {
			t.Errorf("%q is shown as %q", secret, shown)
		}
		if _, err := cfg.withDefaults(); err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("the error for %q shows it: %v", secret, err)
		}
	}
}

func TestConnectReason(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"duplicate":   {errors.New(duplicateClient), `client id "orders-0" is in use by another connection to cluster "ticketing"`},
		"no server":   {nats.ErrNoServers, "no NATS server answers at nats://127.0.0.1:4222"},
		"no cluster":  {stango.ErrConnectReqTimeout, `no cluster "ticketing" answers at nats://127.0.0.1:4222`},
		"refused":     {nats.ErrAuthorization, "the broker at nats://127.0.0.1:4222 refuses the credentials, or asks for some"},
		"other cause": {nats.ErrBadTimeout, "cannot connect to nats://127.0.0.1:4222: nats: timeout invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := connectReason(valid(), tt.err); !strings.EqualFold(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPublishError(t *testing.T) {
	if err := notPublished("ticket:created", stango.ErrTimeout); !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, stango.ErrTimeout) {
		t.Errorf("a time-out is %v, want it unavailable", err)
	}
	if err := notPublished("ticket:created", nats.ErrMaxPayload); errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("a payload too large is %v, want it not to look as if a retry helped", err)
	}
}
