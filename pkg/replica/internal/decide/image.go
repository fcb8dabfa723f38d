package decide

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// GapIndex is the index by which records that wait for a missing version are found. Its values are GapKept if all
// early events are in the record and GapParked if some were parked for lack of room.
const (
	GapIndex  = "gap"
	GapKept   = "kept"
	GapParked = "parked"
)

// Room is how many early events a record keeps, and how many bytes of payload.
type Room struct{ Events, Bytes int }

// Source is what an image is made of.
type Source struct {
	// Record is the replica's; the zero record stands for an unknown entity.
	Record store.Record
	// Reacted is the version that the generation before has reacted to; event.None if there is none.
	Reacted event.Version
	// Parked are the first early events of the entity that its lot has, by version; More reports that there may be
	// others behind them. Searched reports that the lot was read.
	Parked   []parking.Entry
	More     bool
	Searched bool
	// Refused are the versions whose reaction was refused, with the reason.
	Refused map[event.Version]error
}

// Image is one replica in memory while events are decided on it.
type Image[T any] struct {
	kind     *Kind[T]
	room     Room
	id       event.ID
	revision int64 // of the record it was read from; 0 if there was none
	version  event.Version
	reacted  event.Version
	refused  map[event.Version]error
	stored   []byte // the state as it was read, while nobody needed it decoded
	state    T      // else this
	early    map[int64]store.Event
	// overflow reports that early events of this entity may be parked. waiting are those known here.
	overflow bool
	waiting  waiting
	// conflicts are early events whose version was applied with other content.
	conflicts []parking.Entry
	// failing is the kept or parked event that is next and could not be applied.
	failing *failing
	// released are the kept and parked events that have been applied since it was read, turns all events that have if
	// somebody reacts.
	released []Released
	turns    []Turn[T]
	// dirty reports that the image differs from the record.
	dirty bool
}

// Released is an event that was kept or parked until its turn came.
type Released struct {
	Version event.Version
	Event   store.Event
}

// failing is an event whose turn has come and which could not be applied.
type failing struct {
	version event.Version
	event   store.Event
	cause   error
}

// NewImage makes the image of one entity.
func NewImage[T any](kind *Kind[T], room Room, id event.ID, from Source) *Image[T] {
	record := from.Record
	img := &Image[T]{kind: kind, room: room, id: id, revision: record.Revision, version: event.None, reacted: from.Reacted, refused: from.Refused}
	if record.Revision == 0 {
		return img
	}
	img.version = event.Version(record.Version)
	img.early = maps.Clone(record.Early)
	img.overflow = record.Index[GapIndex] == GapParked
	if img.version != event.None {
		img.stored = record.State
	}
	if from.Searched {
		img.waiting.readIn(from.Parked, from.More)
		img.pass()
	}
	return img
}

// Version is the one it stands at.
func (img *Image[T]) Version() event.Version { return img.version }

// Name is the entity's in the lot.
func (img *Image[T]) Name() string { return EntityName(img.kind.Name, img.id) }

// Overflow reports whether early events of this entity may be parked.
func (img *Image[T]) Overflow() bool { return img.overflow }

// before is the state that a change is applied to: none if the change carries the whole entity.
func (img *Image[T]) before(change Change[T]) (T, error) {
	var none T
	if change.Whole {
		return none, nil
	}
	return img.decoded()
}

// decoded is the state as it stands.
func (img *Image[T]) decoded() (T, error) {
	if img.stored != nil {
		var state T
		if err := json.Unmarshal(img.stored, &state); err != nil {
			return state, fmt.Errorf("decode %s %s: %w", img.kind.Name, img.id, err)
		}
		img.state, img.stored = state, nil
	}
	return img.state, nil
}

// encoded is the state as it is stored.
func (img *Image[T]) encoded() ([]byte, error) {
	if img.stored != nil {
		return img.stored, nil
	}
	state, err := json.Marshal(img.state)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", img.kind.Name, img.id, err)
	}
	return state, nil
}

// Write returns the write that makes the record equal to the image.
func (img *Image[T]) Write() (store.Write, error) {
	w := store.Write{ID: string(img.id), Revision: img.revision, Version: int64(img.version), Early: img.early}
	switch {
	case img.overflow:
		w.Index = map[string]string{GapIndex: GapParked}
	case len(img.early) > 0:
		w.Index = map[string]string{GapIndex: GapKept}
	}
	if img.version == event.None {
		return w, nil
	}
	var err error
	w.State, err = img.encoded()
	return w, err
}

// take decides on one event and applies the decision. errNoRoom comes with Early if the lot is to have it; the error of
// its reaction comes with Failed.
func (img *Image[T]) take(change Change[T], ev store.Event) (Verdict, error) {
	verdict := Compare(img.version, change.Version, terminal(ev), func() bool { return img.Says(change) })
	var err error
	switch verdict {
	case Apply:
		err = img.apply(change, terminal(ev))
	case Stale:
		err = img.reactAgain()
	case Early:
		return img.keep(change.Version, ev)
	}
	if err != nil {
		return Failed, err
	}
	return verdict, nil
}

func terminal(ev store.Event) bool { return event.Subject(ev.Channel).Terminal() }

// Says reports whether applying the change would leave the state as it is. It compares what the stored state means
// today, not its bytes: an earlier release may have written it, without a field of today.
func (img *Image[T]) Says(change Change[T]) bool {
	before, err := img.before(change)
	if err != nil {
		return false
	}
	again, err := json.Marshal(change.Apply(before))
	if err != nil {
		return false
	}
	stands, err := img.decoded()
	if err != nil {
		return false
	}
	stored, err := json.Marshal(stands)
	return err == nil && bytes.Equal(stored, again)
}

// apply applies a change. After one that ends the entity's history, nobody needs to react to those before it.
func (img *Image[T]) apply(change Change[T], ends bool) error {
	before, err := img.before(change)
	if err != nil {
		return err
	}
	after := change.Apply(before)
	if err := img.refused[change.Version]; err != nil {
		return img.refusal(change.Version, err)
	}
	if ends {
		img.turns = nil
	}
	if img.kind.Reacts && change.Version > img.reacted {
		img.turns = append(img.turns, Turn[T]{img.id, change.Version, after})
	}
	img.stored, img.state, img.version, img.dirty = nil, after, change.Version, true
	maps.DeleteFunc(img.early, func(version int64, _ store.Event) bool { return event.Version(version) <= img.version })
	img.pass()
	return nil
}

// errNoRoom: the record does not keep the early event; the lot has it, or is to have it.
var errNoRoom = errors.New("the record has no room for the early event")

// keep adds an early event. Of two with the same version and different content the first is kept, because nothing
// shows which one is right.
func (img *Image[T]) keep(version event.Version, ev store.Event) (Verdict, error) {
	if kept, ok := img.early[int64(version)]; ok {
		if kept.Channel == ev.Channel && bytes.Equal(kept.Data, ev.Data) {
			return Early, nil
		}
		return Conflict, nil
	}
	if img.waiting.has(version, ev) {
		return Early, errNoRoom
	}
	if len(img.early) >= img.room.Events || img.earlyBytes()+len(ev.Data) > img.room.Bytes {
		// Always a write, also if the mark is set already: if another member has gone on meanwhile the write
		// conflicts, and the event is decided again instead of being parked behind its turn.
		img.overflow, img.dirty = true, true
		img.waiting.add(parking.Entry{Reason: parking.Early, Channel: ev.Channel, Sequence: ev.Sequence,
			Entity: img.Name(), Version: version, Error: img.full(), Data: ev.Data})
		return Early, errNoRoom
	}
	if img.early == nil {
		img.early = map[int64]store.Event{}
	}
	img.early[int64(version)] = ev
	img.dirty = true
	return Early, nil
}

func (img *Image[T]) full() string {
	return fmt.Sprintf("more than %d early events or %d bytes of them", img.room.Events, img.room.Bytes)
}

func (img *Image[T]) earlyBytes() (n int) {
	for _, ev := range img.early {
		n += len(ev.Data)
	}
	return n
}

// EntityName is how an entity is named in the lot and for people: "ticket/<id>".
func EntityName(kind string, id event.ID) string { return kind + "/" + string(id) }
