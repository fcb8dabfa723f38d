package replica

import (
	"sync/atomic"

	"ticketing/pkg/event"
)

// Verdict is what is to be done with one event (DESIGN.md, "The way of an event").
type Verdict int

const (
	// Apply: it is the next one.
	Apply Verdict = iota + 1
	// Stale: it has been applied already; acknowledged without a write.
	Stale
	// Conflict: another content was applied at this version, a fault at the source. Parked, never
	// overwritten.
	Conflict
	// Early: versions before it are missing. Kept until they come.
	Early
	// Poison: it cannot be decoded or breaks the contract. Parked.
	Poison
	// Failed: the attempt failed. Tried again, and parked when the event itself is at fault too often.
	Failed
)

// String returns the verdict's name in DESIGN.md, for logs.
func (v Verdict) String() string {
	switch v {
	case Apply:
		return "apply"
	case Stale:
		return "stale"
	case Conflict:
		return "conflict"
	case Early:
		return "early"
	case Poison:
		return "poison"
	case Failed:
		return "failed"
	}
	return "undecided"
}

// Decide compares an event's version with the one stored (event.None where nothing is). sameContent
// tells whether the event says what is stored; it is asked only where the versions are equal.
func Decide(stored, version event.Version, sameContent func() bool) Verdict {
	switch {
	case version == stored.Next():
		return Apply
	case version > stored:
		return Early
	case version == stored && !sameContent():
		return Conflict
	default:
		return Stale
	}
}

// verdictCounts counts verdicts since the start. The zero value is ready; it may be used concurrently.
type verdictCounts [Failed + 1]atomic.Uint64

func (c *verdictCounts) add(v Verdict) { c[v].Add(1) }

// Verdicts returns how often each verdict was given since the start. It may be called concurrently.
func (r *Replica[T]) Verdicts() map[Verdict]uint64 {
	counts := map[Verdict]uint64{}
	for v := Apply; v <= Failed; v++ {
		counts[v] = r.verdicts[v].Load()
	}
	return counts
}
