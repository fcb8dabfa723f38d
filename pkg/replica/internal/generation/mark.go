package generation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/store"
)

// State is what a service remembers of a kind: its generations, whether the present one has the whole history or is
// being sent it by the group, and what of it is lost.
type State struct {
	Generation int       `json:"generation"` // the present one, from 1
	Since      time.Time `json:"since,omitzero"`
	Before     int       `json:"before,omitempty"` // the one it replaces, while Replayed is false
	Reserved   int       `json:"reserved"`         // the highest one that a rebuild has begun to fill
	Replayed   bool      `json:"replayed"`
	Loss       Loss      `json:"loss"`
	// Gone is, by channel, the last sequence that is counted in a loss, mended or not.
	Gone map[string]uint64 `json:"gone,omitempty"`
}

// Loss is what the broker's limits have removed before it was sent to the group (docs/contract.md, The bus port, 11).
// It is kept until a person has made the replicas equal to their source again.
type Loss struct {
	Events uint64    `json:"events"`
	Since  time.Time `json:"since,omitzero"`
}

// ErrMoreLost: events were lost since the loss that is said to be mended.
var ErrMoreLost = errors.New("more events were lost meanwhile")

// Mark is one record that holds a State, shared by all instances.
type Mark struct {
	records store.Collection
	kind    string
	now     func() time.Time
}

func openMark(ctx context.Context, db store.Database, config Config) (Mark, error) {
	records, err := db.Collection(ctx, store.Spec{Name: "replica-marks"})
	if err != nil {
		return Mark{}, fmt.Errorf("open marks: %w", err)
	}
	return Mark{records, config.Kind, config.Now}, nil
}

func (m Mark) id() string { return "replayed-" + m.kind }

// Read returns the state; before the first write generation 1 is the present one and nothing is replayed.
func (m Mark) Read(ctx context.Context) (State, error) {
	s, _, err := m.read(ctx)
	return s, err
}

func (m Mark) read(ctx context.Context) (s State, revision int64, err error) {
	record, err := m.records.Get(ctx, m.id())
	if errors.Is(err, store.ErrNotFound) {
		return State{Generation: 1}, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(record.State, &s)
	}
	if err != nil {
		return s, 0, fmt.Errorf("read the mark of %s: %w", m.kind, err)
	}
	return s, record.Revision, nil
}

// Change writes what change makes of the state, unless it reports that nothing is to be changed. If another instance
// was first, change is called again.
func (m Mark) Change(ctx context.Context, change func(*State) bool) error {
	for {
		s, revision, err := m.read(ctx)
		if err != nil || !change(&s) {
			return err
		}
		state, err := json.Marshal(s)
		if err == nil {
			err = m.records.Put(ctx, store.Write{ID: m.id(), Revision: revision, State: state})
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("set the mark of %s: %w", m.kind, err)
		}
	}
}

// SetReplayed notes that a generation is complete, if it still is the present one. Another instance may have noted it
// already.
func (m Mark) SetReplayed(ctx context.Context, generation int) error {
	return m.Change(ctx, func(s *State) bool {
		if s.Replayed || s.Generation != generation {
			return false
		}
		s.Replayed, s.Before = true, 0
		return true
	})
}

// NoteLoss adds the events of a hole that are not counted yet: every member that sees the hole calls it.
func (m Mark) NoteLoss(ctx context.Context, channel bus.Channel, durable bus.Durable) error {
	return m.Change(ctx, func(s *State) bool {
		gone := s.Gone[channel.Name]
		if gone > channel.LastSeq {
			gone = 0 // the broker's disk is new, and its sequences begin again
		}
		from, to := max(durable.LastSent, gone), channel.FirstSeq-1
		if to <= from {
			return false
		}
		if s.Loss.Events == 0 {
			s.Loss.Since = m.now().UTC()
		}
		s.Loss.Events += to - from
		if s.Gone == nil {
			s.Gone = map[string]uint64{}
		}
		s.Gone[channel.Name] = to
		return true
	})
}

// Loss returns what is known to be lost; zero if nothing is.
func (m Mark) Loss(ctx context.Context) (Loss, error) {
	s, err := m.Read(ctx)
	return s.Loss, err
}

// LossMended forgets a loss, after the replicas have been made equal to their source. mended is the loss that was
// known before that began; ErrMoreLost if it has grown since. Durable on return.
func (m Mark) LossMended(ctx context.Context, mended Loss) error {
	var more error
	err := m.Change(ctx, func(s *State) bool {
		known := s.Loss.Events > 0
		more = nil
		if known && (s.Loss.Events != mended.Events || !s.Loss.Since.Equal(mended.Since)) {
			more = fmt.Errorf("%d events of %s are lost, %d of them mended: %w", s.Loss.Events, m.kind, mended.Events, ErrMoreLost)
			return false
		}
		s.Loss = Loss{}
		return known
	})
	return errors.Join(err, more)
}
