package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
	"ticketing/services/orders"
	"ticketing/services/tickets"
)

// stock is what several measurements need and what takes long to make. A thing is made when it is first
// asked for, and kept until the bench ends.
type stock struct {
	dir      string
	ids      map[int][]event.ID // by how many they are
	files    map[string]string  // of full stores, by kind and size
	programs string             // folder of the services' programs; empty before they are built
}

func newStock() (*stock, error) {
	dir, err := os.MkdirTemp("", "ticketing-bench-stock-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	return &stock{dir: dir, ids: map[int][]event.ID{}, files: map[string]string{}}, nil
}

// builtPrograms returns the folder of the services' programs, stripped as they are shipped.
func (s *stock) builtPrograms(ctx context.Context) (dir string, err error) {
	if s.programs != "" {
		return s.programs, nil
	}
	packages, err := servicePrograms(ctx)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(s.dir, "programs")
	build := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}
	if _, err := goCommand(ctx, append(build, packages...)...); err != nil {
		return "", err
	}
	s.programs = dir
	return dir, nil
}

func (s *stock) close() error { return os.RemoveAll(s.dir) }

// shelf is how a service keeps its tickets.
type shelf struct {
	service    string
	collection string
	state      any // of each ticket
}

// ticketsShelf is that of the tickets service, whose own they are.
func ticketsShelf() shelf {
	of := ticketEvent("", 0)
	return shelf{"tickets", "tickets", tickets.Ticket{Title: of.Title, Price: of.Price, UserID: of.UserID}}
}

// ordersShelf is that of orders: the first generation of its replica, as it is after every ticket's first event.
func ordersShelf() shelf {
	of := ticketEvent("", 0)
	return shelf{"orders", "ticket-replica-1", orders.Ticket{Title: of.Title, Price: of.Price, UserID: of.UserID}}
}

// idsOf returns n ids in ascending order. They must not be changed.
func (s *stock) idsOf(n int) []event.ID {
	if s.ids[n] == nil {
		s.ids[n] = newIDs(n)
	}
	return s.ids[n]
}

// newIDs returns n ids in ascending order, of tickets that were created a millisecond apart.
func newIDs(n int) []event.ID {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ids := make([]event.ID, n)
	for i := range ids {
		ids[i] = event.NewID(began.Add(time.Duration(i) * time.Millisecond))
	}
	return ids
}

// full returns a closed store that holds the n tickets of idsOf, at version 0 and all published. It must not
// be changed.
func (s *stock) full(ctx context.Context, kind shelf, n int) (path string, err error) {
	name := fmt.Sprintf("%s-%d.db", kind.service, n)
	if path := s.files[name]; path != "" {
		return path, nil
	}
	path = filepath.Join(s.dir, name)
	db, err := bolt.Open(path)
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(ctx, db, kind, s.idsOf(n)), db.Close()); err != nil {
		return "", fmt.Errorf("fill %s with %s tickets: %w", kind.service, amount(n), err)
	}
	s.files[name] = path
	return path, nil
}

// fillBatch is how many records one write of fill has.
const fillBatch = 20_000

func fill(ctx context.Context, db store.Database, kind shelf, ids []event.ID) error {
	records, err := db.Collection(ctx, store.Spec{Name: kind.collection})
	if err != nil {
		return err
	}
	state, err := json.Marshal(kind.state)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	for len(ids) > 0 {
		batch := make([]store.Write, min(fillBatch, len(ids)))
		for i := range batch {
			batch[i] = store.Write{ID: string(ids[i]), State: state}
		}
		if err := records.PutMany(ctx, batch); err != nil {
			return err
		}
		ids = ids[len(batch):]
	}
	return nil
}
