package replica

// coverage counts what a replay has of one channel: it is complete once every sequence from the first to the last is
// settled or gone at the broker. What the broker sends twice, late or in any order does not matter, and what it has
// sent without anybody settling it is missing. It is pure, and not for concurrent use.
type coverage struct {
	next    uint64              // all before it are settled or gone
	last    uint64              // the last one wanted
	settled map[uint64]struct{} // those after next
}

// newCoverage begins to count from first to last, both included.
func newCoverage(first, last uint64) *coverage {
	return &coverage{next: max(first, 1), last: last, settled: map[uint64]struct{}{}}
}

// settle notes that a sequence is settled.
func (c *coverage) settle(sequence uint64) {
	if sequence < c.next || sequence > c.last {
		return
	}
	c.settled[sequence] = struct{}{}
	c.advance()
}

// gone notes that the broker has nothing before first any more.
func (c *coverage) gone(first uint64) {
	for ; c.next < first && c.next <= c.last; c.next++ {
		delete(c.settled, c.next)
	}
	c.advance()
}

func (c *coverage) advance() {
	for {
		if _, ok := c.settled[c.next]; !ok {
			return
		}
		delete(c.settled, c.next)
		c.next++
	}
}

// complete reports whether nothing is missing.
func (c *coverage) complete() bool { return c.next > c.last }
