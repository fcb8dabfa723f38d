package decide

import (
	"fmt"

	"ticketing/pkg/event"
)

// reactAgain asks for the reaction to what the image stands at, because a stale event may be the repeat of one that
// another member has overtaken: its reaction may have come after that of a later version. The record is written again
// as it is, so that a member which is about to advance it conflicts, and reacts after this one.
func (img *Image[T]) reactAgain() error {
	if !img.kind.Reacts || img.version < img.reacted {
		return nil
	}
	if err := img.refused[img.version]; err != nil {
		return img.refusal(img.version, err)
	}
	if n := len(img.turns); n > 0 && img.turns[n-1].Version == img.version {
		return nil
	}
	state, err := img.decoded()
	if err != nil {
		return err
	}
	img.turns, img.dirty = append(img.turns, Turn[T]{img.id, img.version, state}), true
	return nil
}

func (img *Image[T]) refusal(version event.Version, reason error) error {
	return fmt.Errorf("react to %s %s version %d: %w", img.kind.Name, img.id, version, reason)
}
