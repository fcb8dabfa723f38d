package local

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/oncall"
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

// ticketsOf are the tickets as orders has seen them. Its members share their store.
func ticketsOf(t testing.TB, s *System) oncall.Replica {
	t.Helper()
	for _, m := range s.members {
		if m.service.Name == orders.Name {
			return m.service.Replica("ticket")
		}
	}
	t.Fatal("no member of orders is running")
	return nil
}

// awaitReplica waits until orders has seen the ticket as it is.
func awaitReplica(t testing.TB, s *System, want ticket) {
	t.Helper()
	replicas := ticketsOf(t, s)
	eventually(t, "orders has seen the ticket", func() bool { return differs(t.Context(), replicas, want) == "" })
}

// seen returns the replica of a ticket and its version.
func seen(ctx context.Context, replicas oncall.Replica, id event.ID) (got orders.Ticket, version event.Version, err error) {
	item, err := replicas.Item(ctx, id)
	if err == nil {
		err = json.Unmarshal(item.State, &got)
	}
	return got, item.Version, err
}

// differs returns how the replica is not as the ticket; empty if it is.
func differs(ctx context.Context, replicas oncall.Replica, want ticket) string {
	got, version, err := seen(ctx, replicas, want.ID)
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
	entries, _, err := ticketsOf(t, s).Parking().List(t.Context(), "", 1000)
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
