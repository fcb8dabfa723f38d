package stan

// position is how far a plain subscription has come, for which the broker keeps nothing: it tells where
// to go on after a lost connection, so that no event is missed. The zero value knows nothing.
type position struct {
	next uint64              // one beyond the highest sequence handed to the handler, or begun after; 0: neither yet
	open map[uint64]struct{} // handed and not acked
	hole uint64              // the lowest sequence that was jumped over; 0: none
}

// after notes that the subscription begins behind a sequence.
func (p *position) after(sequence uint64) {
	p.next = sequence + 1
}

// handed notes that the handler was given a message. A jump may be what retention has removed, or what was
// dropped while the handler was blocked, so it is gone back to.
func (p *position) handed(sequence uint64) {
	if p.open == nil {
		p.open = make(map[uint64]struct{})
	}
	p.open[sequence] = struct{}{}
	if p.next != 0 && sequence > p.next && p.hole == 0 {
		p.hole = p.next
	}
	p.next = max(p.next, sequence+1)
}

// acked notes that a message is done with.
func (p *position) acked(sequence uint64) {
	delete(p.open, sequence)
}

// resume is the first sequence that may still be missing. It reports false where nothing is known.
func (p *position) resume() (uint64, bool) {
	from := p.next
	for sequence := range p.open {
		from = min(from, sequence)
	}
	if p.hole != 0 {
		from = min(from, p.hole)
	}
	return from, p.next != 0
}
