package servicetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// Published waits until a channel has at least that many events and returns all that it has then, in order,
// byte for byte. To find that there are no more, stop the service first.
func Published(t testing.TB, conn bus.Conn, subject event.Subject, least int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var last uint64
	Eventually(t, fmt.Sprintf("%s has %d events", subject, least), func() bool {
		channel, err := conn.Channel(ctx, string(subject))
		last = channel.LastSeq
		return err == nil && last >= uint64(least)
	})
	return read(t, conn, subject, last)
}

// read returns the events of a channel up to a sequence.
func read(t testing.TB, conn bus.Conn, subject event.Subject, last uint64) []string {
	t.Helper()
	if last == 0 {
		return nil
	}
	messages := make(chan bus.Message, last)
	member, err := conn.Subscribe(t.Context(), bus.Subscription{Channel: string(subject)},
		bus.Each(func(ctx context.Context, m bus.Message) error {
			if m.Sequence <= last {
				messages <- m
			}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := member.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	var events []string
	for timeout := time.After(Patience); uint64(len(events)) < last; {
		select {
		case m := <-messages:
			events = append(events, string(m.Data))
		case <-timeout:
			t.Fatalf("%s sent %d of %d events", subject, len(events), last)
		}
	}
	return events
}
