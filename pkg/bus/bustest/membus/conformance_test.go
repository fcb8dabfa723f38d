package membus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/bus/stan/stanlimits"
)

func TestConformanceInABubble(t *testing.T) {
	bustest.Run(t, bustest.Harness{
		KeepsDisk: true, Start: start, Within: synctest.Test,
		InvalidChannels:      []string{"a..b", "a*"},
		InvalidSubscriptions: []bus.Subscription{{Channel: "a", AckWait: stanlimits.MinAckWait - 1}},
	})
}

func start(t *testing.T, limit int) bustest.Broker {
	b := membus.New(t)
	b.Retain(limit)
	return broker{b}
}

type broker struct{ *membus.Bus }

func (b broker) Open(_ *testing.T, clientID string) (bus.Conn, bustest.Network) {
	c := b.Connect(clientID)
	return c, network{c}
}

func (b broker) Restart() error {
	b.Stop()
	b.Start()
	return nil
}

// network heals at once if the suite asks for a slow one: the bus has no latency.
type network struct{ *membus.Conn }

func (n network) Slow(time.Duration) { n.Heal() }
