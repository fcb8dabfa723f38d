package local

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ticketing/pkg/bus/stan"
	"ticketing/pkg/telemetry"
	"ticketing/services/auth"
)

// Config says where the local system listens and keeps its data.
type Config struct {
	// GatewayAddr serves the HTTP of all services, NATSAddr the broker and MonitorAddr its monitoring.
	// Port 0 takes a free one, here and below.
	GatewayAddr string `envconfig:"GATEWAY_ADDR" default:"127.0.0.1:8080"`
	NATSAddr    string `envconfig:"NATS_ADDR" default:"127.0.0.1:4222"`
	MonitorAddr string `envconfig:"NATS_MONITOR_ADDR" default:"127.0.0.1:8222"`
	// AdminAddr serves what each service has on its admin listener, under the service's name, as in /orders.
	AdminAddr string `envconfig:"ADMIN_ADDR" default:"127.0.0.1:8081"`
	// DataDir keeps everything; it is created where missing.
	DataDir string `envconfig:"DATA_DIR" default:".data"`
	// JWTKey signs session cookies. Empty: a random one is made once and kept in DataDir.
	JWTKey string `envconfig:"JWT_KEY"`
	// SessionTTL is how long a session is valid, OrderWindow how long an order may stay unpaid.
	SessionTTL  time.Duration `envconfig:"SESSION_TTL" default:"168h"`
	OrderWindow time.Duration `envconfig:"ORDER_WINDOW" default:"15m"`
	// SessionCookie is the name of the session cookie; empty stands for identity.CookieName.
	SessionCookie string `envconfig:"SESSION_COOKIE"`

	// Credentials, where they are set, are demanded by the broker and used by the services: NATS_TOKEN is
	// the one variable that closes the broker. It listens without TLS.
	stan.Credentials

	// Limits bound how often people may sign up and in.
	auth.Limits

	// Patience is how long an answer of the payment provider is waited for; 0 stands for payments.DefaultPatience.
	Patience time.Duration `envconfig:"PAYMENT_PATIENCE"`

	// Volume is the one that DataDir is on, where somebody has said how large it is.
	telemetry.Volume

	// without names services that a test has others do the work of.
	without []string
	// passwordCost lets tests sign up without the price of a good hash; 0 stands for the default.
	passwordCost int
}

// ClusterID of the embedded broker.
const ClusterID = "ticketing"

// hostPort takes the address of a variable apart.
func hostPort(variable, addr string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", variable, err)
	}
	port, err = strconv.Atoi(digits)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%s: %q has no port between 0 and 65535", variable, addr)
	}
	return host, port, nil
}

// prepareDataDir makes the folder and finds out that it can be written.
func prepareDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	probe, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return fmt.Errorf("DATA_DIR cannot be written: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// sessionKey is the configured key, or the one in the data folder, which is made at the first start so
// that sessions outlive a restart.
func sessionKey(cfg Config) ([]byte, error) {
	if cfg.JWTKey != "" {
		return []byte(cfg.JWTKey), nil
	}
	file := filepath.Join(cfg.DataDir, "jwt.key")
	key, err := os.ReadFile(file)
	if err == nil {
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read session key: %w", err)
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails
	key = []byte(hex.EncodeToString(random))
	if err := os.WriteFile(file, key, 0o600); err != nil {
		return nil, fmt.Errorf("keep session key: %w", err)
	}
	return key, nil
}
