package stan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
)

const (
	// requestTimeout bounds one request to the broker: connect, subscribe, close.
	requestTimeout = 2 * time.Second
	// writeTimeout bounds one write to the socket. A publish that meets a connection which takes
	// no more bytes is held up by it, whatever its context says.
	writeTimeout = time.Second
	// pingsUnanswered is how many pings may be without an answer when the next one is due.
	pingsUnanswered = 2
	// publishWindow is how many publishes may wait for the broker's answer at once.
	publishWindow = 4096
)

// session is one TCP connection and one registration at the broker. It never recovers: once lost, it is
// lost.
type session struct {
	stan   stango.Conn
	window chan struct{}
	queued int // bytes that may wait for one handler

	once  sync.Once
	lost  chan struct{} // closed when the session is of no more use
	cause error         // why; to be read after lost
}

// dial makes one attempt to connect. It takes at most twice requestTimeout.
func dial(cfg Config, log *slog.Logger) (*session, error) {
	s := &session{lost: make(chan struct{}), window: make(chan struct{}, publishWindow), queued: cfg.MaxQueuedBytes}
	conn, err := stango.Connect(cfg.ClusterID, cfg.ClientID,
		stango.NatsURL(cfg.URL),
		stango.ConnectWait(requestTimeout),
		stango.PubAckWait(cfg.PublishTimeout),
		stango.MaxPubAcksInflight(publishWindow),
		stango.Pings(int(cfg.PingInterval/time.Second), pingsUnanswered),
		stango.SetConnectionLostHandler(func(_ stango.Conn, err error) { s.lose(err) }),
		stango.NatsOptions(slices.Concat(cfg.Credentials.options(), cfg.TLS.options(), []nats.Option{
			nats.Name(cfg.ClientID),
			nats.NoReconnect(),
			nats.ReconnectBufSize(-1),
			nats.Timeout(requestTimeout),
			nats.FlusherTimeout(writeTimeout),
			nats.ReconnectOnFlusherError(), // without reconnects: a failed write ends the connection
			nats.ClosedHandler(func(nc *nats.Conn) {
				// Without an error it was closed on this side, by stan.go, which says why
				// itself, or by close.
				if err := nc.LastError(); err != nil {
					s.lose(err)
				}
			}),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				// Above all: redelivered copies were dropped because the handler is blocked.
				log.Debug("NATS reports an error", "error", err)
			}),
		})...))
	if err != nil {
		return nil, err
	}
	s.stan = conn
	return s, nil
}

// lose declares the session lost. The first cause counts.
func (s *session) lose(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.lost)
	})
}

// loseIfUnknown gives the session up after a subscribe or a leave that the broker did not answer. It may
// have a member on its books that nobody listens for, and would give it events; with the session it goes.
func (s *session) loseIfUnknown(err error) {
	if errors.Is(err, stango.ErrSubReqTimeout) || errors.Is(err, stango.ErrCloseReqTimeout) {
		s.lose(err)
	}
}

func (s *session) isLost() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// close takes the client off the broker's books where it can still be reached, and ends the connection.
// Publishes that wait for an answer fail.
func (s *session) close() error {
	err := s.stan.Close()
	lost := s.isLost()
	s.lose(bus.ErrClosed)
	if err != nil && !lost {
		return fmt.Errorf("close the connection: %w", err)
	}
	return nil
}

// publish sends one event as soon as the window has room. answered is called once: with nil when the broker has
// stored it, else with notPublished. stan.go calls back for every event that it has taken, when the answer comes, when
// PubAckWait is over or when the connection is closed.
func (s *session) publish(ctx context.Context, channel string, data []byte, answered func(error)) {
	if err := s.takeRoom(ctx); err != nil {
		answered(notPublished(channel, err))
		return
	}
	_, err := s.stan.PublishAsync(channel, data, func(_ string, err error) {
		<-s.window
		if err != nil {
			err = notPublished(channel, err)
		}
		answered(err)
	})
	if err != nil {
		<-s.window
		answered(notPublished(channel, err))
	}
}

// takeRoom takes a place in the window.
func (s *session) takeRoom(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.window <- struct{}{}:
		return nil
	case <-s.lost:
		return s.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// subscribe joins a channel. deliver is called for one message at a time, on a goroutine of the session.
func (s *session) subscribe(spec bus.Subscription, from stango.SubscriptionOption, deliver stango.MsgHandler) (stango.Subscription, error) {
	options := []stango.SubscriptionOption{
		from,
		stango.SetManualAckMode(),
		stango.AckWait(wholeSeconds(spec.AckWait)),
		stango.MaxInflight(spec.MaxInflight),
	}
	var sub stango.Subscription
	var err error
	if spec.Group == "" {
		sub, err = s.stan.Subscribe(spec.Channel, deliver, options...)
	} else {
		options = append(options, stango.DurableName(spec.Durable))
		sub, err = s.stan.QueueSubscribe(spec.Channel, spec.Group, deliver, options...)
	}
	if err != nil {
		s.loseIfUnknown(err)
		return nil, err
	}
	// While a handler blocks, the broker sends every un-acked message again each AckWait, and the
	// client queues the copies. Beyond two of each, or Config.MaxQueuedBytes, they are dropped: they are
	// un-acked, so they come again.
	if err := sub.SetPendingLimits(2*spec.MaxInflight, s.queued); err != nil && !s.isLost() {
		return nil, errors.Join(fmt.Errorf("limit the queue: %w", err), sub.Close())
	}
	return sub, nil
}

// wholeSeconds rounds up, because the protocol carries whole seconds and stan.go cuts off the rest,
// which would bring redeliveries too soon.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
