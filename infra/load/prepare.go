package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// What every load begins with: few users, as sign-ups are limited, and enough tickets that one write rarely
// meets another on the same.
const (
	users          = 4
	ticketsPerUser = 64
)

// patience is how long a thing may take that the load waits for before it begins.
const patience = time.Minute

// prepare signs users up and makes their tickets, and returns when orders has seen them all: from then on no
// order is answered with 404.
func prepare(ctx context.Context, a *api, m mix) (*workload, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range users {
		if err := a.signUp(ctx); err != nil {
			return nil, err
		}
	}
	w := &workload{mix: m, users: users, tickets: make([]ticket, users*ticketsPerUser)}
	var making errgroup.Group
	for owner := range users {
		making.Go(func() error {
			mine := w.tickets[owner*ticketsPerUser:][:ticketsPerUser]
			for i := range mine {
				id, err := a.makeTicket(ctx, owner)
				if err != nil {
					return fmt.Errorf("make a ticket: %w", err)
				}
				mine[i] = ticket{id: id, owner: owner}
			}
			return nil
		})
	}
	return w, making.Wait()
}

// makeTicket creates a ticket, orders it, and gives it back.
func (a *api) makeTicket(ctx context.Context, owner int) (id string, err error) {
	status, id, err := a.do(ctx, createTicket(owner, `{"title":"concert","price":10}`))
	if err := expect(http.StatusCreated, status, err); err != nil {
		return "", err
	}
	order, err := a.orderOnceKnown(ctx, owner, id)
	if err != nil {
		return "", fmt.Errorf("order it: %w", err)
	}
	status, _, err = a.do(ctx, cancelOrder(owner, order))
	return id, expect(http.StatusNoContent, status, err)
}

// orderOnceKnown tries until orders has heard of the ticket.
func (a *api) orderOnceKnown(ctx context.Context, buyer int, ticketID string) (id string, err error) {
	for {
		status, id, err := a.do(ctx, placeOrder(buyer, ticketID))
		if err != nil || status != http.StatusNotFound {
			return id, expect(http.StatusCreated, status, err)
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
}

// expect is err, or one that says that the status is not the one wanted.
func expect(want, status int, err error) error {
	if err == nil && status != want {
		err = fmt.Errorf("answered %d, not %d", status, want)
	}
	return err
}

// sleep returns ctx's error where that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if !sleepUntil(ctx, time.Now().Add(d)) {
		return ctx.Err()
	}
	return nil
}
