package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
)

// howToReach ends every line that says that the broker is not there.
const howToReach = "`make run` starts a broker here, " +
	"`kubectl port-forward service/nats-srv 4222 8222` reaches one in a cluster"

// leaveTimeout bounds leaving a broker that no longer answers.
const leaveTimeout = 5 * time.Second

// broker is where the bus is. All commands have its flags.
type broker struct {
	URL     string        `name:"url" env:"NATS_URL" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"The broker's address for clients (default ${default})."`
	Monitor string        `env:"NATS_MONITOR_URL" default:"http://127.0.0.1:8222" placeholder:"URL" help:"The address of its HTTP monitoring (default ${default})."`
	Cluster string        `env:"NATS_CLUSTER_ID" default:"ticketing" placeholder:"ID" help:"The NATS Streaming cluster id (default ${default})."`
	Client  string        `placeholder:"ID" help:"The client id, unique at the broker (default busctl- and a random number)."`
	User    string        `env:"NATS_USER" placeholder:"NAME" help:"The user, where the broker asks for one; the password is taken from NATS_PASSWORD, or a token from NATS_TOKEN, as a command line is seen by others."`
	CA      string        `name:"tls-ca" env:"NATS_TLS_CA" placeholder:"FILE" help:"TLS: the authorities that may vouch for the broker."`
	Cert    string        `name:"tls-cert" env:"NATS_TLS_CERT" placeholder:"FILE" help:"TLS: the certificate to show, where the broker asks for one."`
	Key     string        `name:"tls-key" env:"NATS_TLS_KEY" placeholder:"FILE" help:"TLS: its key."`
	Wait    time.Duration `default:"5s" placeholder:"TIME" help:"How long to wait for the broker's answer (default ${default})."`
}

// open starts to connect and returns at once. Its only errors are usage errors. The caller must leave.
func (b broker) open() (bus.Conn, error) {
	cfg := app.BusConfig{
		NATSURL: b.URL, NATSMonitorURL: b.Monitor, NATSClusterID: b.Cluster,
		NATSClientID: cmp.Or(b.Client, fmt.Sprintf("busctl-%08d", rand.IntN(1e8))),
	}
	cfg.User, cfg.Password, cfg.Token = b.User, os.Getenv("NATS_PASSWORD"), os.Getenv("NATS_TOKEN")
	cfg.CA, cfg.Cert, cfg.Key = b.CA, b.Cert, b.Key
	conn, err := cfg.Open(nil)
	if err != nil {
		return nil, usageError{err}
	}
	return conn, nil
}

// connect opens a connection and waits until it is connected, at most b.Wait. The error is why there is none. The caller
// must leave.
func (b broker) connect(ctx context.Context) (bus.Conn, error) {
	conn, err := b.open()
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, b.Wait)
	defer cancel()
	if err := conn.Connected(waiting); err != nil {
		reason := conn.Health().Reason
		leave(ctx, conn)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for the broker: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("no broker within %v: %s; %s", b.Wait, reason, howToReach)
	}
	return conn, nil
}

// leave closes conn, even if ctx has ended: members are closed, and acks on their way arrive. An error of Close needs no
// action: the broker forgets a client that left without its answer.
func leave(ctx context.Context, conn bus.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
