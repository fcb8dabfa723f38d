package decide

import (
	"bytes"
	"cmp"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// waiting are the early events of one entity that found no room in its record: those read from the lot, and those
// that are about to be parked. A decision sees both, so that what comes in one batch with the missing version is not
// left behind. The zero value has none. It is pure.
type waiting struct {
	entries []waitingEntry // by version, then sequence
	passed  []parking.Entry
	// more reports that the lot may have others behind those that were read; read counts what is left of those. empty
	// reports that it was read and has none.
	more, empty bool
	read        int
}

type waitingEntry struct {
	parking.Entry
	fresh bool // not in the lot yet
}

// readIn adds a page of the lot.
func (w *waiting) readIn(entries []parking.Entry, more bool) {
	for _, entry := range entries {
		w.insert(waitingEntry{Entry: entry})
	}
	w.more, w.read, w.empty = more, len(entries), len(entries) == 0
}

// add adds an event that is about to be parked.
func (w *waiting) add(entry parking.Entry) { w.insert(waitingEntry{entry, true}) }

func (w *waiting) insert(e waitingEntry) {
	at, _ := slices.BinarySearchFunc(w.entries, e, func(a, b waitingEntry) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Sequence, b.Sequence), -1) // behind its equals
	})
	w.entries = slices.Insert(w.entries, at, e)
}

// from is where the events of a version begin.
func (w *waiting) from(version event.Version) int {
	at, _ := slices.BinarySearchFunc(w.entries, version, func(e waitingEntry, v event.Version) int { return cmp.Compare(e.Version, v) })
	return at
}

// has reports whether this very event is among them.
func (w *waiting) has(version event.Version, ev store.Event) bool {
	for _, e := range w.entries[w.from(version):] {
		if e.Version != version {
			return false
		}
		if e.Channel == ev.Channel && bytes.Equal(e.Data, ev.Data) {
			return true
		}
	}
	return false
}

// next returns the first event that may be applied to what is stored.
func (w *waiting) next(stored event.Version) (event.Version, store.Event, bool) {
	for _, e := range w.entries {
		if ev := e.Event(); isNext(stored, e.Version, terminal(ev)) {
			return e.Version, ev, true
		}
	}
	return event.None, store.Event{}, false
}

// pass removes the events up to a version and returns them.
func (w *waiting) pass(version event.Version) []parking.Entry {
	to := w.from(version.Next())
	var over []parking.Entry
	for _, e := range w.entries[:to] {
		over = append(over, e.Entry)
		if !e.fresh {
			w.passed = append(w.passed, e.Entry)
			w.read--
		}
	}
	w.entries = w.entries[to:]
	return over
}

// none reports whether the lot has none and will get none.
func (w *waiting) none() bool { return w.empty && len(w.entries) == 0 }

// unread reports whether all that was read has passed and the lot may have more.
func (w *waiting) unread() bool { return w.more && w.read == 0 }

// fresh are the events that are to be parked.
func (w *waiting) fresh() []parking.Entry {
	var fresh []parking.Entry
	for _, e := range w.entries {
		if e.fresh {
			fresh = append(fresh, e.Entry)
		}
	}
	return fresh
}
