package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// CreateOnce is Create for a request that may be repeated. The hash tells the requests for one id apart. A repeat
// creates nothing: it gets the entity as the first request created it, however it has changed since. asCreated returns
// that state, given the present one.
//
// It returns a fault.Reused if another request created the entity, and a fault.Unavailable if the entity exists and
// cannot be read yet. If the id is new but the key is taken, it returns store.ErrKeyTaken. With an empty hash CreateOnce
// is Create.
//
// The hash is kept for as long as the entity exists. Rules and Kind do not see it.
func (e *Entities[T]) CreateOnce(ctx context.Context, id event.ID, hash string, state T, asCreated func(T) T) (Entity[T], error) {
	created, err := e.create(ctx, id, hash, state)
	if err != nil {
		return e.Repeated(ctx, id, hash, asCreated, err)
	}
	return created, nil
}

// Repeated answers a request that CreateOnce or its caller refuses. The refusal of a repeat may be the work of the
// entity that the first request created, so Repeated returns that entity, as CreateOnce does. If there is none, it
// returns the refusal. After store.ErrUnavailable it does not look, because what it found might not be durable.
func (e *Entities[T]) Repeated(ctx context.Context, id event.ID, hash string, asCreated func(T) T, refusal error) (Entity[T], error) {
	if hash == "" || errors.Is(refusal, store.ErrUnavailable) {
		return Entity[T]{}, refusal
	}
	record, err := e.records.Get(ctx, string(id))
	switch {
	case errors.Is(err, store.ErrNotFound) && errors.Is(refusal, store.ErrConflict):
		return Entity[T]{}, fault.New(fault.Unavailable, "the first request with this Idempotency-Key cannot be answered yet, try again")
	case errors.Is(err, store.ErrNotFound):
		return Entity[T]{}, refusal
	case err != nil:
		return Entity[T]{}, err
	}
	if hashOf(record.State) != hash {
		return Entity[T]{}, fault.New(fault.Reused, "this Idempotency-Key was used for another request")
	}
	now, err := entityOf[T](record)
	if err != nil {
		return Entity[T]{}, err
	}
	return Entity[T]{ID: id, Version: 0, State: asCreated(now.State)}, nil
}

// Exists reports whether there is an entity with this id.
func (e *Entities[T]) Exists(ctx context.Context, id event.ID) (bool, error) {
	_, err := e.records.Get(ctx, string(id))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// requested is what is stored beside the fields of a state.
type requested struct {
	Hash string `json:"requestHash"`
}

// encodeState returns the stored form of a state: its JSON object and, as one more field, the hash of the request that
// created the entity. Earlier releases declared that field in their states. During an upgrade they read and keep it.
func encodeState(state any, hash string) ([]byte, error) {
	encoded, err := json.Marshal(state)
	if err != nil || hash == "" {
		return encoded, err
	}
	fields, isObject := bytes.CutSuffix(encoded, []byte("}"))
	if !isObject {
		return nil, errors.New("only a JSON object can be created once")
	}
	beside, err := json.Marshal(requested{hash})
	if err != nil {
		return nil, err
	}
	if len(fields) > len("{") {
		fields = append(fields, ',')
	}
	return append(fields, beside[len("{"):]...), nil
}

// hashOf returns the hash that is stored beside a state, empty if there is none.
func hashOf(stored []byte) string {
	var r requested
	if err := json.Unmarshal(stored, &r); err != nil {
		return "" // no object
	}
	return r.Hash
}
