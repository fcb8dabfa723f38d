package membus

import "time"

// Silence is how long a connection stalls before both sides give it up.
const Silence = 3 * time.Second

type link int

const (
	linkUp link = iota
	linkCut
	linkStalled
)

// parcel is something on its way between the broker and the client: one of the two is called.
type parcel struct {
	arrive func()
	lost   func()
}

// Cut ends the connection, which both sides notice at once. It comes back with Heal.
func (c *Conn) Cut() {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	c.link = linkCut
	c.lose("connection cut")
}

// Stall lets nothing through, either way. After Silence both sides give the connection up.
func (c *Conn) Stall() {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	c.link = linkStalled
	if c.health.Connected && c.giveUp == nil {
		c.giveUp = c.bus.after(Silence, func() { c.giveUp = nil; c.lose("no answer from the broker") })
	}
}

// Heal ends a Cut or a Stall. What was sent in a stall arrives, unless the connection is lost.
func (c *Conn) Heal() {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	c.link = linkUp
	for _, p := range c.endStall() {
		p.arrive()
	}
	c.connect()
}

// carry takes a parcel to the other side.
func (c *Conn) carry(p parcel) {
	switch {
	case !c.health.Connected:
		p.lost()
	case c.link == linkStalled:
		c.stalled = append(c.stalled, p)
	default:
		p.arrive()
	}
}

// endStall stops the timer and returns what the stall has held up.
func (c *Conn) endStall() []parcel {
	if c.giveUp != nil {
		c.giveUp()
		c.giveUp = nil
	}
	stalled := c.stalled
	c.stalled = nil
	return stalled
}
