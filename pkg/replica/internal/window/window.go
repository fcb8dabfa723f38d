// Package window decides how many events a member of a queue group holds at once. It is pure.
package window

import "time"

const (
	// First is the size a window begins with, while nothing is known of the store: one that needs 5 ms for each event
	// still settles that many within the default AckWait.
	First = 256
	// Least keeps every lane at work, however slow the store.
	Least = 16
	// fastestGrowth is how many times larger a window may get at once: from the first size to the most that a Consumer
	// holds by default. With every step a member joins again, and the broker sends again what was on its way.
	fastestGrowth = 64
	// quietWaits is for how many AckWaits a window that has shrunk does not grow, and one that has shrunk in vain
	// does not shrink.
	quietWaits = 10
)

// Window decides how many events of a channel a member holds at once, from how old events are when they
// are settled. The broker counts AckWait for everything it has sent; what is settled later it sends again, to
// this member or another, and a store that is too slow is given the same work twice.
//
//	age at settling:  0 ─────── 1/8 ──────── 1/4 ──────── 1/2 ───────────────────── 1 of AckWait
//	                    grows    │     stays  ^     stays  │   shrinks to what takes     │ sent again
//	                             │            └ the aim    │   1/4 at the pace seen      │
//
// Half of AckWait is the limit and a quarter the aim, so a store may become twice as slow, or four times if
// the window fits, before an event is sent again. The age is that of the oldest event of a batch, which has waited
// for one way through the queue: about twice as long as what is in hand takes.
//
// It shrinks when of a round of events that fills it twice two thirds were too old: a disk that stood still for a
// moment makes old what is in hand once. If events are as old with a smaller window, because every
// write takes that long, be it of one event or of thousands, it goes back: then fewer at once only make it slower.
//
// It grows only if it is what holds the member back (almost all of it is in hand), when a round of events has
// shown that the aim allows at least twice as much, and not soon after it has shrunk, so that a store which
// is slow now and then does not make it swing. Handling is no slower for each event when more come at once, so
// growing in proportion does not overshoot.
//
// It is pure: times are given to it. It is not for concurrent use.
type Window struct {
	limit       time.Duration // events older than this are too old
	quiet       time.Duration
	least, most int
	channels    int // the member may hold that many on each

	size     int
	since    time.Time // when the member joined with this size
	deciding bool      // the member has joined with it: what is settled says something about it
	grows    time.Time // not before this
	shrinks  time.Time // not before this

	// late is the round that an event has begun that was too old: how many there are of it, how many of those were
	// too old, and the sum of their ages in seconds. full is the round of those that were settled in time while
	// the window was full.
	late struct {
		events, old int
		ages        float64
	}
	full struct {
		events int
		oldest time.Duration
	}
	// larger is what the window was before it shrank, and how old events were then, until that is known to have
	// helped. Its size is 0 otherwise.
	larger struct {
		size int
		age  time.Duration
	}
}

// New makes a window of at most that many events for a member that takes them from some channels with this
// AckWait.
func New(most, channels int, ackWait time.Duration) *Window {
	return &Window{
		channels: channels, limit: ackWait / 2, quiet: quietWaits * ackWait,
		least: min(Least, most), most: most, size: min(First, most),
	}
}

// Joined begins to judge the present size, because a member has joined with it.
func (w *Window) Joined(now time.Time) {
	w.since, w.deciding = now, true
	w.beginRounds()
}

func (w *Window) beginRounds() {
	w.full.events = 0
	w.late.events, w.late.old, w.late.ages = 0, 0, 0
}

// Batch is what a window learns from.
type Batch struct {
	Events int       // how many
	Taken  time.Time // when the bus handed over the oldest of them
	At     time.Time // when they were settled
	InHand int       // how many events the member held while they were handled, these included
}

// Settled takes note of a batch and reports whether size has changed. Then the member has to join again with
// it, and until joined is called nothing more is learned. Nothing is learned either from events that were
// taken before the present size held.
func (w *Window) Settled(b Batch) (changed bool) {
	if !w.deciding || b.Taken.Before(w.since) {
		return false
	}
	age := b.At.Sub(b.Taken)
	if room := w.channels * w.size; b.InHand > room {
		// The broker has sent more than there is room for: what was on its way to a member that has left. That
		// passes, and is not for the window to mend.
		age = age / time.Duration(b.InHand) * time.Duration(room)
	}
	if age > w.limit || w.late.events > 0 {
		return w.tooOld(b, age)
	}
	return w.inTime(b, age)
}

// tooOld goes on with a round in which events were too old, and decides at its end.
func (w *Window) tooOld(b Batch, age time.Duration) (changed bool) {
	w.full.events = 0
	w.late.events += b.Events
	if age > w.limit {
		w.late.old += b.Events
		w.late.ages += age.Seconds() * float64(b.Events)
	}
	if w.late.events < 2*w.size {
		return false
	}
	few := 3*w.late.old < 2*w.late.events
	age = time.Duration(w.late.ages / float64(w.late.old) * float64(time.Second))
	w.beginRounds()
	if few {
		w.larger.size = 0
		return false
	}
	if b.At.Before(w.shrinks) {
		return false
	}
	w.grows = b.At.Add(w.quiet)
	if w.inVain(age) {
		w.shrinks = b.At.Add(w.quiet)
		back := w.larger.size
		w.larger.size = 0
		return w.resize(back)
	}
	w.larger.size, w.larger.age = w.size, age
	return w.resize(w.fitting(age))
}

// inVain reports whether shrinking has brought less than half of what it would have brought if every event
// took the same time.
func (w *Window) inVain(age time.Duration) bool {
	if w.larger.size == 0 {
		return false
	}
	hoped := float64(w.larger.age) * float64(w.size) / float64(w.larger.size)
	return float64(age) > (float64(w.larger.age)+hoped)/2
}

// inTime takes note of events that were not too old, and lets the window grow at the end of a round.
func (w *Window) inTime(b Batch, age time.Duration) (changed bool) {
	if b.InHand < w.size-w.size/4 {
		return false // it is not the window that holds the member back
	}
	if w.full.events == 0 || age > w.full.oldest {
		w.full.oldest = age
	}
	w.full.events += b.Events
	if w.full.events < 2*w.size {
		return false
	}
	w.full.events, w.larger.size = 0, 0
	next := w.fitting(w.full.oldest)
	if next < min(2*w.size, w.most) || b.At.Before(w.grows) {
		return false
	}
	return w.resize(min(next, fastestGrowth*w.size))
}

// fitting is how many events would be settled within half the limit, at the pace at which size took that long.
func (w *Window) fitting(age time.Duration) int {
	fits := float64(w.size) * float64(w.limit/2) / float64(max(age, 1))
	return int(max(float64(w.least), min(float64(w.most), fits)))
}

func (w *Window) resize(size int) (changed bool) {
	if size == w.size {
		return false
	}
	w.size, w.deciding = size, false
	return true
}

// Size is how many events of a channel the member may hold at once.
func (w *Window) Size() int { return w.size }
