// Package coverage counts which events of a channel a replay has. It is pure.
package coverage

// Coverage counts what a replay has of one channel: it is complete once every sequence from the first to the last is
// settled or gone at the broker. What the broker sends twice, late or in any order does not matter, and what it has
// sent without anybody settling it is missing. It is pure, and not for concurrent use.
type Coverage struct {
	next    uint64              // all before it are settled or gone
	last    uint64              // the last one wanted
	settled map[uint64]struct{} // those after next
}

// New begins to count from first to last, both included.
func New(first, last uint64) *Coverage {
	return &Coverage{next: max(first, 1), last: last, settled: map[uint64]struct{}{}}
}

// Settle notes that a sequence is settled.
func (c *Coverage) Settle(sequence uint64) {
	if sequence < c.next || sequence > c.last {
		return
	}
	c.settled[sequence] = struct{}{}
	c.advance()
}

// Gone notes that the broker has nothing before first any more.
func (c *Coverage) Gone(first uint64) {
	for ; c.next < first && c.next <= c.last; c.next++ {
		delete(c.settled, c.next)
	}
	c.advance()
}

func (c *Coverage) advance() {
	for {
		if _, ok := c.settled[c.next]; !ok {
			return
		}
		delete(c.settled, c.next)
		c.next++
	}
}

// Complete reports whether nothing is missing.
func (c *Coverage) Complete() bool { return c.next > c.last }
