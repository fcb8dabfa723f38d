// Package bus is the port to the event bus: publish to a channel, take events from it as a member of
// a queue group, look at how far a channel has come.
//
//	Publish ──> channel (kept by the broker, numbered) ──> group ──> one of its members ──> Handler
//	                                                         ^                                │
//	                                                         └──────── settle(nil) = ack ─────┘
//
// The promises are the eleven clauses of DESIGN.md ("Contract: the bus port"), repeated at the names
// they belong to. What the port does not promise matters as much: an event may come twice, late and
// out of order. The version inside the event decides what to do with it (package replica).
//
// The adapter is bus/stan; bus/bustest is the suite that any adapter has to pass.
package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of a bus. Adapters wrap them; match with errors.Is.
var (
	// ErrChannel: the channel name is not valid. Nothing was sent.
	ErrChannel = errors.New("invalid channel name")
	// ErrSubscription: the options of a subscription do not hold together. Nothing was sent.
	ErrSubscription = errors.New("invalid subscription")
	// ErrUnavailable: the broker is not connected or did not answer in time. For a publish the
	// outcome is unknown: the event may have been stored.
	ErrUnavailable = errors.New("bus unavailable")
	// ErrClosed: the connection or the member was closed by its owner.
	ErrClosed = errors.New("bus closed")
)

// Publisher puts events on the bus. It may be called concurrently.
type Publisher interface {
	// Publish returns nil only when the broker has stored the event (clause 1). ErrChannel comes
	// back at once, before any I/O (clause 2). Every other error means unknown: a retry may store
	// the event twice. While disconnected it fails within the adapter's publish timeout or when ctx
	// ends, whichever is first; nothing is buffered to be sent later (clause 3). data is not kept.
	Publish(ctx context.Context, channel string, data []byte) error
}

// Sender puts events on the bus and waits for none of them. It may be called concurrently.
type Sender interface {
	// Send begins what Publish does and calls answered once with what Publish would have returned: from
	// any goroutine, perhaps before Send returns, and within the adapter's publish timeout of the moment
	// the event left or when the connection is closed. answered must not block: it holds back the answers
	// behind it. Send itself waits while the adapter has as many events without an answer as it allows, until
	// ctx ends; an event that has left is not called back by ctx.
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
	// Attempt is 1 for the first delivery, as far as the broker remembers (it forgets when it
	// restarts or when the group empties).
	Attempt int
	// Data is the payload. The handler owns it.
	Data []byte
}

// Settle ends the handling of one message, once, from any goroutine. nil acknowledges it: call it
// only when what the event asked for is durable. An error leaves it un-acked, so that it is delivered
// again, to any member of the group, no sooner than AckWait - 20 ms (clause 5). Further calls do nothing.
type Settle func(err error)

// Handler takes the messages of one member, one call at a time, in the order they arrive; no order
// is promised across members or redeliveries (clause 7). It may return before the message is settled,
// which is how several are in work at once, and it may block, which holds back the ones behind. A member is
// not given an event that it still holds un-settled, though the broker sends it again after AckWait: settling
// it covers the copies. Another member may be given one, and so may this one after a lost connection.
// ctx ends when the member has been closed and its time to finish is over.
type Handler func(ctx context.Context, m Message, settle Settle)

// Each makes a Handler of a function that handles one message and returns its outcome.
func Each(handle func(ctx context.Context, m Message) error) Handler {
	return func(ctx context.Context, m Message, settle Settle) {
		settle(handle(ctx, m))
	}
}

// Start says where a subscription without a durable begins.
type Start int

const (
	// FromOldest replays everything the broker has retained. A group always starts so (clause 4).
	FromOldest Start = iota
	// FromNow takes what is published from now on: everything since Subscribe has returned, also over lost
	// connections, and perhaps what was published while it was joining. An adapter that cannot tell where
	// that began may bring older events after a lost connection, but misses none. Not for groups.
	FromNow
)

// Defaults and limits of a Subscription.
const (
	DefaultAckWait     = 5 * time.Second
	DefaultMaxInflight = 256
	MinAckWait         = time.Second // the broker's resolution
	MaxAckWait         = 10 * time.Minute
	MaxMaxInflight     = 65536
)

// Subscription describes what a member takes.
type Subscription struct {
	// Channel to take from.
	Channel string
	// Group and Durable name the queue group, whose position the broker keeps for ever: the first
	// subscription replays everything, later ones resume, also after all members were gone
	// (clause 4). Both or neither: without them it is a plain subscription that every event comes
	// to and that leaves nothing behind.
	Group   string
	Durable string
	// Start is for plain subscriptions only.
	Start Start
	// AckWait is how long the broker waits for a message to be settled before it delivers it again.
	// 0 stands for DefaultAckWait.
	AckWait time.Duration
	// MaxInflight is how many un-acked messages this member may hold. MaxInflight times the slowest
	// handling must stay below AckWait. 0 stands for DefaultMaxInflight.
	MaxInflight int
}

// WithDefaults returns s with defaults filled in, or ErrChannel or ErrSubscription with the reason.
func (s Subscription) WithDefaults() (Subscription, error) {
	if err := CheckChannel(s.Channel); err != nil {
		return s, err
	}
	if s.AckWait == 0 {
		s.AckWait = DefaultAckWait
	}
	if s.MaxInflight == 0 {
		s.MaxInflight = DefaultMaxInflight
	}
	switch {
	case (s.Group == "") != (s.Durable == ""):
		return s, fmt.Errorf("%w: group %q and durable %q must be set together", ErrSubscription, s.Group, s.Durable)
	case s.Group != "" && s.Start != FromOldest:
		return s, fmt.Errorf("%w: group %q must start from the oldest event", ErrSubscription, s.Group)
	case strings.ContainsAny(s.Group+s.Durable, ": \t\r\n"):
		return s, fmt.Errorf("%w: group %q or durable %q has a colon or a blank", ErrSubscription, s.Group, s.Durable)
	case s.AckWait < MinAckWait || s.AckWait > MaxAckWait:
		return s, fmt.Errorf("%w: AckWait %v is outside %v..%v", ErrSubscription, s.AckWait, MinAckWait, MaxAckWait)
	case s.MaxInflight < 1 || s.MaxInflight > MaxMaxInflight:
		return s, fmt.Errorf("%w: MaxInflight %d is outside 1..%d", ErrSubscription, s.MaxInflight, MaxMaxInflight)
	}
	return s, nil
}

// Subscriber takes events from the bus. It may be called concurrently.
type Subscriber interface {
	// Subscribe joins and returns when the broker has confirmed it. While the broker is away it
	// waits, until ctx ends (ErrUnavailable; then there is no subscription). From then on the
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
	// Channels returns what the broker says about all channels and their subscriptions, by name.
	// ErrUnavailable where its monitoring cannot be reached.
	Channels(ctx context.Context) ([]Channel, error)
	// Channel returns the same for one. A channel that does not exist yet is empty, not an error.
	Channel(ctx context.Context, name string) (Channel, error)
}

// Channel is the state of one channel.
type Channel struct {
	Name string
	// Messages and Bytes are what is retained.
	Messages uint64
	Bytes    uint64
	// FirstSeq and LastSeq are the first and last sequence retained; 0 where nothing was ever
	// published. Where retention has removed everything, FirstSeq is LastSeq + 1.
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
// The broker's pending count alone is not the lag (DESIGN.md, measured).
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

// Health is what an adapter says of itself.
type Health struct {
	// Connected: publishes can succeed and members are subscribed.
	Connected bool
	// Reason says what is missing, for people; empty when connected.
	Reason string
	// Since is when this state began.
	Since time.Time
	// Reconnects counts the connections that were lost and made again.
	Reconnects int
	// Redelivered counts the messages that came and of which the broker said that it had sent them
	// before, to whichever member, also those that no handler was given. It never goes back.
	Redelivered uint64
}

// Err is nil where h is connected, else ErrUnavailable with the reason.
func (h Health) Err() error {
	if h.Connected {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, h.Reason)
}

// HealthReporter tells how the connection is. It may be called concurrently.
type HealthReporter interface {
	Health() Health
}

// CheckChannel returns ErrChannel, with the reason, unless name is a channel that the broker can
// store: 1 to 200 letters, digits, ':', '-', '_' and single inner dots. The broker itself answers an
// invalid name with a time-out (DESIGN.md, measured), hence the check before any I/O.
func CheckChannel(name string) error {
	bad := func(why string) error { return fmt.Errorf("%w: %.80q %s", ErrChannel, name, why) }
	switch {
	case name == "":
		return bad("is empty")
	case len(name) > 200:
		return bad("is longer than 200 bytes")
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return bad("has an empty token between dots")
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(":-_.", r):
		default:
			return bad(fmt.Sprintf("has the character %q", r))
		}
	}
	return nil
}
