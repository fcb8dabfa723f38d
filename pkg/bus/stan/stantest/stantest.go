// Package stantest gives tests a broker of their own, in memory and in this process, and connections to it.
package stantest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanserver"
)

// ClusterID of the brokers of this package.
const ClusterID = "ticketing"

// Start starts a broker that keeps its events in memory and ends with the test.
func Start(t testing.TB) *stanserver.Server {
	t.Helper()
	server, err := stanserver.Start(stanserver.Config{ClusterID: ClusterID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server
}

// Connect opens a connection and waits until it is connected. It is closed with the test.
func Connect(t testing.TB, server *stanserver.Server, clientID string) bus.Conn {
	t.Helper()
	conn, err := stan.Open(stan.Config{
		URL: server.URL(), MonitorURL: server.MonitorURL(), ClusterID: ClusterID, ClientID: clientID,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = conn.Close(ctx) // a test may have closed it itself
	})
	if err := conn.Connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}
