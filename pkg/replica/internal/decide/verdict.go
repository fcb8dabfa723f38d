package decide

import "ticketing/pkg/event"

// Verdict is what is to be done with one event (docs/contract.md, Verdicts).
type Verdict int

const (
	// Apply: it is the next one.
	Apply Verdict = iota + 1
	// Stale: it has been applied already; acknowledged without a write.
	Stale
	// Conflict: other content was applied at this version, a fault at the source. Parked, never overwritten.
	Conflict
	// Early: versions before it are missing. Kept until they come.
	Early
	// Poison: it cannot be decoded or breaks the contract. Parked.
	Poison
	// Failed: the attempt failed. Tried again, and parked when the event itself is at fault too often.
	Failed
)

// String returns the verdict's name in the contract, for logs.
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

// Compare compares an event's version with the one stored, event.None if nothing is. A terminal event needs no version
// before it but the first. sameContent reports whether the event says what is stored; it is asked only if the versions
// are equal.
func Compare(stored, version event.Version, terminal bool, sameContent func() bool) Verdict {
	switch {
	case isNext(stored, version, terminal):
		return Apply
	case version > stored:
		return Early
	case version == stored && !sameContent():
		return Conflict
	default:
		return Stale
	}
}

// isNext reports whether an event may be applied to what is stored. A terminal event waits for the first version all
// the same: that one carries the whole entity, so replicas are equal in whatever order events came.
func isNext(stored, version event.Version, terminal bool) bool {
	return version == stored.Next() || (terminal && version > stored && stored != event.None)
}
