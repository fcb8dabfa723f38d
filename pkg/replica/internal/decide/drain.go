package decide

import (
	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// drain applies the kept and parked events that are next, one after the other. It stops at one that fails.
func (img *Image[T]) drain() {
	for img.failing == nil {
		next, ev, ok := img.next()
		if !ok {
			return
		}
		if err := img.applyEvent(ev); err != nil {
			img.failing = &failing{next, ev, err}
		}
	}
}

// next returns the kept or parked event that may be applied now, the one of the lowest version if there are several.
func (img *Image[T]) next() (version event.Version, ev store.Event, ok bool) {
	next := img.version.Next()
	if kept, ok := img.early[int64(next)]; ok {
		return next, kept, true
	}
	version, ev, ok = img.waiting.next(img.version)
	for v, kept := range img.early {
		v := event.Version(v)
		if terminal(kept) && (!ok || v <= version) && isNext(img.version, v, true) {
			version, ev, ok = v, kept, true
		}
	}
	return version, ev, ok
}

// applyEvent applies an event that was kept or parked when it was early.
func (img *Image[T]) applyEvent(ev store.Event) error {
	change, err := img.kind.Decode(event.Subject(ev.Channel), ev.Data)
	if err != nil {
		return err
	}
	if err := img.apply(change, terminal(ev)); err != nil {
		return err
	}
	img.released = append(img.released, Released{img.version, ev})
	return nil
}

// pass lets go of the parked events whose turn is over. Those with the version that the entity stands at now and
// different content are conflicts.
func (img *Image[T]) pass() {
	for _, entry := range img.waiting.pass(img.version) {
		change, err := img.kind.Decode(event.Subject(entry.Channel), entry.Data)
		if err == nil && entry.Version == img.version && !img.Says(change) {
			img.conflicts = append(img.conflicts, entry)
		}
	}
}

// drop removes the kept event of this version, if there is one.
func (img *Image[T]) drop(version int64) {
	delete(img.early, version)
	img.dirty = true
}

// HasNext reports whether an event has come that is the next one, though it could not be applied.
func (img *Image[T]) HasNext() bool {
	_, _, ok := img.next()
	return ok
}
