// Package pace lets events that come in numbers go to the broker together. It is pure.
package pace

import "time"

const (
	// Stretch is for how long events gather at most.
	Stretch = 5 * time.Millisecond
	// Few is how many events of a stretch go at once, whatever comes after them.
	Few = 16
	// many is how many do not wait for more: they keep the broker busy.
	many = 256
	// look is how often to look whether they are many by now.
	look = time.Millisecond
)

// Pace decides when the first events of entities go. Broker and connection do for all of them what they do for one: a
// system call, a sync of a file, an answer. In each stretch of time goes what is ready at its beginning, and at least a
// few; others wait for the next, or until they are many. So one event by itself never waits, and none for longer than
// a stretch.
//
// It is asked about the first event of an entity only. Those that have come while one was on its way follow when that is
// answered, so an entity that changes fast, or has a backlog, is not held up with each version.
//
// With 64 clients that create tickets it is worth a fifteenth of their requests (infra/bench, write path).
type Pace struct {
	until time.Time // the end of the present stretch
	left  int       // how many may still go in it
}

// Wait returns how long to wait before it is asked again whether the next one of ready events goes. If that is 0, it goes
// now.
func (p *Pace) Wait(now time.Time, ready int) time.Duration {
	if !now.Before(p.until) || ready >= many {
		p.until = now.Add(Stretch)
		p.left = max(ready, Few)
	}
	if p.left > 0 {
		return 0
	}
	return min(p.until.Sub(now), look)
}

// Sent notes that one of them went.
func (p *Pace) Sent() { p.left-- }
