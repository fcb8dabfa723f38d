// Package bus is the port to the event bus: publish to a channel, take events from it as a member of
// a queue group, look at how far a channel has come.
//
//	Publish ──> channel (kept by the broker, numbered) ──> group ──> one of its members ──> Handler
//	                                                         ^                                │
//	                                                         └──────── settle(nil) = ack ─────┘
//
// The promises are the clauses of docs/contract.md, The bus port, which comments here cite by number. What the port does
// not promise matters as much: an event may come twice, late and out of order. The version inside the event decides what
// to do with it (package replica).
//
// The port asks of a name or an option only what every broker needs. An adapter refuses what its own broker cannot do,
// with the same errors and before any I/O. The adapter is bus/stan; every adapter must pass the suite bus/bustest.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a bus. Adapters wrap them; match with errors.Is.
var (
	// ErrChannel: the channel name is not valid, or the broker cannot store it. Nothing was sent.
	ErrChannel = errors.New("invalid channel name")
	// ErrSubscription: the options of a subscription contradict each other, or the broker cannot do what they ask.
	// Nothing was sent.
	ErrSubscription = errors.New("invalid subscription")
	// ErrUnavailable: the broker is not connected or did not answer in time. For a publish the
	// outcome is unknown: the event may have been stored.
	ErrUnavailable = errors.New("bus unavailable")
	// ErrClosed: the connection or the member was closed by its owner.
	ErrClosed = errors.New("bus closed")
)

// Conn is one connection to a broker. Its owner closes it. It may be used concurrently.
//
// It comes back by itself after it was lost (clause 10), so nobody has to watch it to keep it alive.
type Conn interface {
	Publisher
	Sender
	Subscriber
	Inspector
	HealthReporter
	// Connected returns nil as soon as Health is connected. It returns ErrUnavailable, with what is missing, if ctx
	// ends first, and ErrClosed after Close.
	Connected(ctx context.Context) error
	// Close closes every member as Member.Close does, then the connection. If ctx ends first it leaves without waiting
	// for the handlers and returns ctx's error. The outcome of a publish under way is unknown. Closing twice returns
	// ErrClosed.
	Close(ctx context.Context) error
}

// Publisher puts events on the bus. It may be called concurrently.
type Publisher interface {
	// Publish returns nil only when the broker has stored the event (clause 1). It returns ErrChannel
	// at once, before any I/O (clause 2). After any other error the outcome is unknown: a retry may store
	// the event twice. While disconnected it fails within the adapter's publish timeout or when ctx
	// ends, whichever is first; it buffers nothing to send later (clause 3). It does not keep data.
	Publish(ctx context.Context, channel string, data []byte) error
}

// Sender puts events on the bus and waits for none of them. It may be called concurrently.
type Sender interface {
	// Send starts what Publish does and calls answered once with what Publish would have returned. The call
	// comes from any goroutine, perhaps before Send returns. It comes within the adapter's publish timeout after
	// the event left, or when the connection closes. answered must not block: it holds back the answers
	// behind it. Send itself waits, until ctx ends, while the adapter has as many events without an answer as it
	// allows. ctx does not call back an event that has left.
	Send(ctx context.Context, channel string, data []byte, answered func(error))
}

// Message is one delivery of an event.
type Message struct {
	// Channel is where it was published.
	Channel string
	// Sequence is its number in the channel, from 1; a new broker disk starts again at 1.
	Sequence uint64
	// Time is when the broker stored it.
	Time time.Time
	// Attempt is 1 for the first delivery, as far as the broker remembers: a restart or an empty group may make it
	// forget.
	Attempt int
	// Data is the payload. The handler owns it.
	Data []byte
}

// Settle ends the handling of one message, once, from any goroutine. nil acknowledges it: settle with nil
// only when what the event asked for is durable. An error leaves it un-acked, so that it is delivered
// again, to any member of the group, no sooner than AckWait - 20 ms (clause 5). Further calls do nothing.
type Settle func(err error)

// Handler takes the messages of one member, one call at a time, in the order they arrive. No order
// is promised across members or redeliveries (clause 7). A handler may return before the message is settled:
// then it has several in work at once. It may block, which holds back the messages behind. A member does
// not get an event again that it still holds un-settled, even if the broker sends it again after AckWait: settling
// it covers the copies. Another member may get a copy, and so may this one after a lost connection.
// ctx ends when the member has been closed and its time to finish is over.
type Handler func(ctx context.Context, m Message, settle Settle)

// Each makes a Handler of a function that handles one message and returns its outcome.
func Each(handle func(ctx context.Context, m Message) error) Handler {
	return func(ctx context.Context, m Message, settle Settle) {
		settle(handle(ctx, m))
	}
}

// Start is where a subscription without a durable begins.
type Start int

const (
	// FromOldest replays everything the broker has retained. A group always starts so (clause 4).
	FromOldest Start = iota
	// FromNow takes what is published from now on: everything since Subscribe has returned, also over lost
	// connections, and perhaps what was published while it was joining. An adapter that does not know where
	// that began may bring older events after a lost connection, but misses none. Not for groups.
	FromNow
)

// Defaults of a Subscription.
const (
	DefaultAckWait     = 5 * time.Second
	DefaultMaxInflight = 256
)

// Subscription describes what a member takes. An adapter may narrow the names and numbers to what its broker can do.
type Subscription struct {
	// Channel to take from.
	Channel string
	// Group and Durable name the queue group, whose position the broker keeps for ever: the first
	// subscription replays everything, later ones resume, even after all members were gone
	// (clause 4). Set both or neither. Without them it is a plain subscription, which gets every event
	// and leaves nothing behind.
	Group   string
	Durable string
	// Start is for plain subscriptions only.
	Start Start
	// AckWait is how long the broker waits for a message to be settled before it delivers it again.
	// 0 means DefaultAckWait.
	AckWait time.Duration
	// MaxInflight is how many un-acked messages this member may hold. MaxInflight times the slowest
	// handling must stay below AckWait. 0 means DefaultMaxInflight.
	MaxInflight int
}

// WithDefaults returns s with defaults filled in, or ErrChannel or ErrSubscription with the reason. It checks what every
// broker needs, for adapters to call first.
func (s Subscription) WithDefaults() (Subscription, error) {
	s.AckWait = cmp.Or(s.AckWait, DefaultAckWait)
	s.MaxInflight = cmp.Or(s.MaxInflight, DefaultMaxInflight)
	switch {
	case s.Channel == "":
		return s, fmt.Errorf("%w: %q is empty", ErrChannel, s.Channel)
	case (s.Group == "") != (s.Durable == ""):
		return s, fmt.Errorf("%w: group %q and durable %q must be set together", ErrSubscription, s.Group, s.Durable)
	case s.Group != "" && s.Start != FromOldest:
		return s, fmt.Errorf("%w: group %q must start from the oldest event", ErrSubscription, s.Group)
	case s.AckWait < 0:
		return s, fmt.Errorf("%w: AckWait %v is negative", ErrSubscription, s.AckWait)
	case s.MaxInflight < 0:
		return s, fmt.Errorf("%w: MaxInflight %d is negative", ErrSubscription, s.MaxInflight)
	}
	return s, nil
}

// Subscriber takes events from the bus. It may be called concurrently.
type Subscriber interface {
	// Subscribe joins and returns when the broker has confirmed it. While the broker is away it
	// waits. If ctx ends first it returns ErrUnavailable and there is no subscription. Once joined, the
	// member survives lost connections: the adapter reconnects with backoff and subscribes again
	// (clause 10). ctx bounds the joining only.
	Subscribe(ctx context.Context, s Subscription, h Handler) (Member, error)
}

// Member is one subscription. Un-acked events of a member that dies or leaves go to the others (clause 6).
type Member interface {
	// Close takes no more messages, waits until every message already handed to the handler is
	// settled and its ack is on its way, then leaves (clause 9). The durable stays (clause 4). When
	// ctx ends first it leaves at once with ctx's error; what was not settled is delivered again.
	// Closing twice returns ErrClosed.
	Close(ctx context.Context) error
}

// Inspector looks at the broker's books. It may be called concurrently.
type Inspector interface {
	// Channels returns the state of all channels, sorted by name. It returns ErrUnavailable if the broker cannot be
	// asked.
	Channels(ctx context.Context) ([]Channel, error)
	// Channel returns the state of one channel. A channel that does not exist yet is empty, not an error.
	Channel(ctx context.Context, name string) (Channel, error)
}

// Channel is the state of one channel.
type Channel struct {
	Name string
	// Messages and Bytes are what is retained.
	Messages uint64
	Bytes    uint64
	// FirstSeq and LastSeq are the first and last sequence retained, 0 if nothing was ever
	// published. If retention has removed everything, FirstSeq is LastSeq + 1.
	FirstSeq uint64
	LastSeq  uint64
	// Durables are the queue groups with a kept position.
	Durables []Durable
}

// Durable is the position of one queue group in one channel.
type Durable struct {
	// Name is the durable's, Group the queue group's name.
	Name  string
	Group string
	// LastSent is the highest sequence delivered to any member.
	LastSent uint64
	// Pending counts the messages delivered and not acked.
	Pending uint64
	// Members counts the members connected now.
	Members int
}

// Lag is how many events the group has not finished: those never sent and those sent and un-acked.
// The broker's pending count alone is not the lag (docs/contract.md, Measured facts).
func (c Channel) Lag(d Durable) uint64 {
	lag := d.Pending
	if c.LastSeq > d.LastSent {
		lag += c.LastSeq - d.LastSent
	}
	return lag
}

// Lost is how many events retention has removed before they were ever sent to the group (clause 11).
func (c Channel) Lost(d Durable) uint64 {
	if c.FirstSeq > d.LastSent+1 {
		return c.FirstSeq - d.LastSent - 1
	}
	return 0
}

// Health is the state of a connection.
type Health struct {
	// Connected: publishes can succeed and members are subscribed.
	Connected bool
	// Reason is what is missing, for people; empty when connected.
	Reason string
	// Since is when this state began.
	Since time.Time
	// Reconnects counts the connections that were lost and made again.
	Reconnects int
	// Redelivered counts the messages that came and that the broker had sent before, to any member. It includes
	// those that no handler got. It never goes back.
	Redelivered uint64
}

// Err returns nil if h is connected, else ErrUnavailable with the reason.
func (h Health) Err() error {
	if h.Connected {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, h.Reason)
}

// HealthReporter reports the state of a connection. It may be called concurrently.
type HealthReporter interface {
	// Health returns the state as it is known now. It does no I/O.
	Health() Health
}
