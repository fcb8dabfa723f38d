package local

import (
	"context"
	"testing"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/services/orders"
)

// connect is somebody else on the bus.
func connect(t testing.TB, s *System, clientID string) bus.Conn {
	t.Helper()
	conn, err := s.busConfig(clientID, s.NATSURL()).Open(discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.CloseBus(conn); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Connected(ctx); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ordersOf is a member of orders; they share their store.
func ordersOf(t testing.TB, s *System) *orders.Service {
	t.Helper()
	for _, m := range s.members {
		if service, ok := m.service.(*orders.Service); ok {
			return service
		}
	}
	t.Fatal("no member of orders is running")
	return nil
}

// awaitReplica waits until orders has seen the ticket as it is.
func awaitReplica(t testing.TB, s *System, want ticket) {
	t.Helper()
	service := ordersOf(t, s)
	eventually(t, "orders has seen the ticket", func() bool { return differs(t.Context(), service, want) == "" })
}

// differs tells how the replica is not as the ticket; empty where it is.
func differs(ctx context.Context, service *orders.Service, want ticket) string {
	got, version, err := service.Ticket(ctx, want.ID)
	switch {
	case err != nil:
		return err.Error()
	case version != want.Version:
		return "another version"
	case got.Title != want.Title || got.Price.String() != want.Price.String() || got.UserID != want.UserID:
		return "another content"
	}
	return ""
}

func parked(t testing.TB, s *System) []parking.Entry {
	t.Helper()
	entries, _, err := ordersOf(t, s).Parking().List(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// awaitLag waits until the orders group has acknowledged everything on a channel.
func awaitLag(t testing.TB, conn bus.Conn, subject event.Subject) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		channel, err := conn.Channel(ctx, string(subject))
		if err == nil && len(channel.Durables) == 1 && channel.Lag(channel.Durables[0]) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s still lags: %+v, %v", subject, channel, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
