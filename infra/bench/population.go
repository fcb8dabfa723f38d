package main

import (
	"math/rand/v2"

	"ticketing/pkg/event"
)

// population is tickets that exist, and the version at which each stands.
type population struct {
	ids    []event.ID
	stands []event.Version
	random *rand.Rand
}

// newPopulation returns tickets at version 0.
func newPopulation(ids []event.ID) *population {
	return &population{ids: ids, stands: make([]event.Version, len(ids)), random: rand.New(rand.NewPCG(3, 4))}
}

// change changes n tickets, each taken at random, and returns the events in their order.
func (p *population) change(n int) []event.Ticket {
	events := make([]event.Ticket, n)
	for i := range events {
		ticket := p.random.IntN(len(p.ids))
		p.stands[ticket]++
		events[i] = ticketEvent(p.ids[ticket], p.stands[ticket])
	}
	return events
}
