package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Linearizable tries, with porcupine, to put the requests of each ticket into one order that explains every
// answer and in which no request comes before one that was answered before it was sent. A request without
// a certain answer may have been done at any later time, or never. A ticket that cannot be decided
// within its share of limit is a finding too.
//
// Two things are looked at apart: the ticket itself (Create, Edit, Read) and who holds it (Reserve, Cancel).
func Linearizable(history []Op, limit time.Duration) []Finding {
	var found []Finding
	for _, part := range []struct {
		name  string
		model porcupine.Model
		of    func(Op) bool
	}{
		{"its versions", versionModel(), func(op Op) bool { return op.Kind == Create || op.Kind == Edit || op.Kind == Read }},
		{"its orders", holderModel(), func(op Op) bool { return op.Kind == Reserve || op.Kind == Cancel }},
	} {
		byTicket := map[string][]porcupine.Operation{}
		for at, op := range history {
			if op.Ticket != "" && part.of(op) && tells(op) {
				byTicket[op.Ticket] = append(byTicket[op.Ticket], operation(at, op))
			}
		}
		for _, ticket := range slices.Sorted(maps.Keys(byTicket)) {
			ops := byTicket[ticket]
			switch porcupine.CheckOperationsTimeout(part.model, ops, max(time.Second, limit/time.Duration(len(byTicket)))) {
			case porcupine.Illegal:
				found = append(found, Finding{CheckLinearizable, ticket, fmt.Sprintf("%s: no order explains the answers to its %d requests", part.name, len(ops))})
			case porcupine.Unknown:
				found = append(found, Finding{CheckLinearizable, ticket, fmt.Sprintf("%s: %d requests could not be decided in time", part.name, len(ops))})
			}
		}
	}
	return found
}

// tells says that a request may have changed the ticket, or that its answer tells how it was.
func tells(op Op) bool { return op.Done() || isHeld(op) || (op.Unknown() && op.Kind != Read) }

// isHeld says that a reservation was refused because the ticket is taken: an answer that tells the state.
func isHeld(op Op) bool { return op.Kind == Reserve && op.Status == 409 }

// numbered is an Op with its place in the history, which names an order whose id nobody was told.
type numbered struct {
	Op
	at int
}

func operation(at int, op Op) porcupine.Operation {
	ends := op.Return
	if op.Unknown() {
		ends = forever
	}
	return porcupine.Operation{ClientId: op.Client, Input: numbered{op, at}, Call: int64(op.Call), Return: int64(ends)}
}

// ticketState is a ticket as the model has it. version -1: there is none.
type ticketState struct {
	version int64
	content string
}

// versionModel is a ticket alone: every edit has another content and so makes the next version.
func versionModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return ticketState{version: -1} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(ticketState), input.(numbered)
			next := ticketState{s.version + 1, op.Content}
			switch op.Kind {
			case Create:
				return s.version == -1 && op.Version == 0, next
			case Edit:
				return s.version >= 0 && (op.Unknown() || op.Version == next.version), next
			default: // Read
				return s == ticketState{op.Version, op.Content}, s
			}
		},
	}
}

// holderModel is who holds one ticket: the state is the order's id, empty where it is free.
func holderModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			holder, op := state.(string), input.(numbered)
			switch {
			case op.Kind == Reserve && op.Done():
				return holder == "", op.Order
			case op.Kind == Reserve && isHeld(op.Op):
				return holder != "", holder
			case op.Kind == Reserve && holder == "": // unknown, and if it was done then here
				return true, fmt.Sprint("order of request ", op.at)
			case op.Kind == Cancel && holder == op.Order:
				return true, ""
			default: // an unknown one that was not done, or a cancellation again
				return true, holder
			}
		},
	}
}
