package decide

import "ticketing/pkg/event"

// Resync applies an entity as its source has it now, over whatever the versions between are, and lets go of the early
// events up to there. It reports whether anything changes. An older version changes nothing, unless ahead is the
// version that the image stands at.
func (img *Image[T]) Resync(change Change[T], ahead event.Version) (changed bool, err error) {
	older := change.Version < img.version && img.version != ahead
	if older || (change.Version == img.version && img.Says(change)) {
		return false, nil
	}
	if err := img.apply(change, false); err != nil {
		return false, err
	}
	img.conflicts = nil // the source decides
	return true, nil
}

// DropEarly lets go of all early events.
func (img *Image[T]) DropEarly() {
	img.early, img.overflow, img.waiting, img.dirty = nil, false, waiting{}, true
}
