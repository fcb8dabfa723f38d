package outbox

import "time"

const (
	// stretch is for how long events gather at most.
	stretch = 5 * time.Millisecond
	// few is how many events of a stretch go at once, whatever comes after them.
	few = 16
	// many is how many do not wait for more: they keep the broker busy.
	many = 256
	// look is how often it is looked whether they are many by now.
	look = time.Millisecond
)

// pace lets events that come in numbers go together. Broker and connection do for all of them what they do for one: a
// system call, a sync of a file, an answer. In each stretch of time goes what is ready at its beginning, and at least a
// few; others wait for the next, or until they are many. So one event by itself never waits, and none for longer than
// a stretch.
//
// It is asked about the first event of an entity only. Those that have come while one was on its way follow when that is
// answered, so an entity that changes fast, or has a backlog, is not held up with each version.
//
// Where 64 clients create tickets it is worth a fifteenth of their requests (infra/bench, write path).
type pace struct {
	until time.Time // the end of the present stretch
	left  int       // how many may still go in it
}

// wait tells how long to wait before it is asked again whether the next one of ready events goes. Where that is 0, it
// goes now.
func (p *pace) wait(now time.Time, ready int) time.Duration {
	if !now.Before(p.until) || ready >= many {
		p.until = now.Add(stretch)
		p.left = max(ready, few)
	}
	if p.left > 0 {
		return 0
	}
	return min(p.until.Sub(now), look)
}

// sent notes that one of them went.
func (p *pace) sent() { p.left-- }
