// Package check decides whether a system that was crashed, cut and stopped has kept its promises. It does no
// I/O: it compares what clients were answered (a history) with what the services' stores hold in the end (books).
//
//	clients ──> []Op ────────┐
//	stores  ──> Books ───────┼──> findings; none: every promise was kept
//	poison that was injected ┘
//
// Everything here has to find the bugs that are planted in its tests; a checker that finds nothing proves
// nothing.
package check

import (
	"fmt"
	"time"
)

// Books is what one service's store holds. Versions and contents are those of the entities' events.
type Books struct {
	// Own are the entities that the service owns, by id.
	Own map[string]Entity `json:"own"`
	// Replicas are another service's entities as this service has seen them, by id.
	Replicas map[string]Entity `json:"replicas"`
	// Parked are the events it could not use.
	Parked []Parked `json:"parked"`
	// Waiting counts the events in outboxes.
	Waiting int `json:"waiting"`
}

// Entity is one entity, or the replica of one, as it is stored.
type Entity struct {
	Version int64 `json:"version"`
	// Content is what the owner's clients say of it, in canonical JSON, so that equal contents are equal strings.
	Content string `json:"content"`
	// Holder is the order that holds a ticket, else empty.
	Holder string `json:"holder,omitempty"`
	// Sold reports that a ticket is sold, or that an order is complete. A replica of a ticket does not know.
	Sold bool `json:"sold,omitempty"`
	// Log is every version that was applied, in that order, where a replica keeps one; else nil.
	Log []int64 `json:"log,omitempty"`
	// Early counts the events that a replica keeps until others come.
	Early int `json:"early,omitempty"`
	// Holds is the ticket that a live order holds, else empty.
	Holds string `json:"holds,omitempty"`
	// Ticket is what an order is for, Cents what it costs and ExpiresAt when it is cancelled if nobody has paid.
	Ticket    string    `json:"ticket,omitempty"`
	Cents     int64     `json:"cents,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Parked is a parked event, or one that is sure to be parked.
type Parked struct {
	Channel string `json:"channel"`
	Data    string `json:"data"`
	Reason  string `json:"reason"`
}

// Names of the checks.
const (
	CheckReplicas     = "replicas equal their sources"
	CheckLogs         = "each version applied once and in order"
	CheckOutbox       = "every outbox is empty"
	CheckParked       = "parked is what was injected"
	CheckHolders      = "no ticket is held by two live orders"
	CheckSeats        = "tickets and orders agree on who holds what"
	CheckEnded        = "what nobody pays in time is cancelled"
	CheckMoney        = "the provider keeps what complete orders cost, to the cent"
	CheckAnswers      = "what was answered with 2xx is there"
	CheckLinearizable = "the history of each ticket is linearizable"
)

// Finding is a promise that was broken.
type Finding struct {
	// Check is the name of the promise.
	Check string `json:"check"`
	// Entity names whom it was broken to.
	Entity string `json:"entity"`
	// Detail tells how.
	Detail string `json:"detail"`
}

// String is one line for people.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Check, f.Entity, f.Detail) }
