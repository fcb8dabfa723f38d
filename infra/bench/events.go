package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/event"
)

// title has the length of a long usual one; an event of it has about 200 bytes.
func title() string { return strings.Repeat("A title of some length. ", 3) }

// seller owns every ticket of the bench.
const seller event.ID = "5f0000000000000000000001"

func ticketEvent(id event.ID, version event.Version) event.Ticket {
	return event.Ticket{ID: id, Version: version, Title: title(), Price: 2050, UserID: seller}
}

// history returns n events of that many tickets in the order in which a service could have published
// them: each ticket's versions ascend, and the tickets take turns at random, the same in every run. So
// neighbours are events of different tickets, which is the worst case for a store.
func history(n, tickets int) []event.Ticket {
	random := rand.New(rand.NewPCG(1, 2))
	ids := newIDs(tickets)
	turns := make([]int, n)
	for i := range turns {
		turns[i] = i % tickets
	}
	random.Shuffle(n, func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	next := make([]event.Version, tickets)
	events := make([]event.Ticket, n)
	for i, ticket := range turns {
		events[i] = ticketEvent(ids[ticket], next[ticket])
		next[ticket]++
	}
	return events
}

// message is an event as it is published.
type message struct {
	channel string
	data    []byte
}

func encodeAll(events []event.Ticket) ([]message, error) {
	messages := make([]message, len(events))
	for i, e := range events {
		data, err := event.Encode(e)
		if err != nil {
			return nil, err
		}
		messages[i] = message{string(e.Subject()), data}
	}
	return messages, nil
}

// publishAll publishes messages and returns when the broker has stored them all.
func publishAll(ctx context.Context, conn stango.Conn, messages []message) error {
	var (
		unanswered sync.WaitGroup
		mu         sync.Mutex
		failed     error
	)
	for _, m := range messages {
		if err := ctx.Err(); err != nil {
			return err
		}
		unanswered.Add(1)
		_, err := conn.PublishAsync(m.channel, m.data, func(_ string, err error) {
			defer unanswered.Done()
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	unanswered.Wait() // each is answered, or times out
	return failed
}

// perSecond is the rate of n things since began.
func perSecond(n int, began time.Time) float64 { return float64(n) / time.Since(began).Seconds() }

// milliseconds is what d is in the report.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
