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
		ops   func([]Op) []Op
	}{
		{"its versions", versionModel(), func(op Op) bool { return op.Kind == Create || op.Kind == Edit || op.Kind == Read }, slices.Clone[[]Op]},
		{"its orders", holderModel(), func(op Op) bool { return op.Kind == Reserve || op.Kind == Cancel }, thatMatter},
	} {
		byTicket := map[string][]Op{}
		for _, op := range history {
			if op.Ticket != "" && part.of(op) && tells(op) {
				byTicket[op.Ticket] = append(byTicket[op.Ticket], op)
			}
		}
		for _, ticket := range slices.Sorted(maps.Keys(byTicket)) {
			ops := byTicket[ticket]
			share := max(time.Second, limit/time.Duration(len(byTicket)))
			switch porcupine.CheckOperationsTimeout(part.model, operations(part.ops(ops)), share) {
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

// over is the end of the history, behind every answer: what was not done by then never was.
const over Kind = "over"

// operations are requests as porcupine takes them, and the end behind them.
func operations(ops []Op) []porcupine.Operation {
	all := make([]porcupine.Operation, 0, len(ops)+1)
	for _, op := range ops {
		ends := op.Return
		if op.Unknown() {
			ends = forever
		}
		all = append(all, porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Return: int64(ends)})
	}
	return append(all, porcupine.Operation{Input: Op{Kind: over}, Call: int64(forever) - 1, Return: int64(forever)})
}

// thatMatter leaves out requests about the orders of a ticket that others stand for, as a few dozen that may have been
// done or not, at any time, cannot be decided:
//
//   - Of the reservations without an answer at most one was done, because nobody was told its id, so nobody has
//     cancelled it. Whichever it was, the one that was sent first may have been it.
//   - The cancellations of one order are one: it comes after the first was sent, and before one was answered.
func thatMatter(ops []Op) []Op {
	var matter []Op
	cancels := map[string]int{} // the place of an order's
	lost := -1
	for _, op := range ops {
		at, known := cancels[op.Order]
		switch {
		case op.Kind == Cancel && known:
			matter[at] = oneCancel(matter[at], op)
			continue
		case op.Kind == Cancel:
			cancels[op.Order] = len(matter)
		case op.Unknown() && lost >= 0:
			matter[lost].Call = min(matter[lost].Call, op.Call)
			continue
		case op.Unknown():
			lost = len(matter)
		}
		matter = append(matter, op)
	}
	return matter
}

func oneCancel(a, b Op) Op {
	one := a
	if one.Unknown() || b.Done() && b.Return < one.Return {
		one = b
	}
	one.Call = min(a.Call, b.Call)
	return one
}

// ticketState is a ticket as the model has it: the highest version that is known of it, and its content. version -1:
// there is none.
type ticketState struct {
	version int64
	content string
}

// versionModel is a ticket alone: every edit has another content and so makes a version. Orders make versions too, which
// no request of the ticket's is answered with, and leave the content as it is.
func versionModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return ticketState{version: -1} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(ticketState), input.(Op)
			next := ticketState{op.Version, op.Content}
			switch op.Kind {
			case Create:
				return s.version == -1 && op.Version == 0, next
			case Edit:
				if op.Unknown() {
					next.version = s.version + 1 // at least
				}
				return s.version >= 0 && s.version < next.version, next
			case over:
				return true, s
			default: // Read
				return s.version >= 0 && s.version <= op.Version && s.content == op.Content, next
			}
		},
	}
}

// holderState is who holds one ticket: an order's id, empty where it is free.
type holderState struct {
	holder string
	over   bool
}

// somebody holds a ticket by an order whose id no client was told.
const somebody = "somebody"

// holderModel is who holds one ticket, of the requests that matter. One without an answer comes where it changes
// something, or never.
func holderModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return holderState{} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(holderState), input.(Op)
			switch {
			case op.Kind == over:
				return true, holderState{s.holder, true}
			case op.Kind == Reserve && op.Done():
				return s.holder == "", holderState{op.Order, s.over}
			case op.Kind == Reserve && isHeld(op):
				return s.holder != "", s
			case op.Kind == Reserve && s.holder == "":
				return true, holderState{somebody, s.over}
			case op.Kind == Cancel && s.holder == op.Order:
				return true, holderState{"", s.over}
			default: // nothing to cancel, or no ticket to be had
				return op.Done() || s.over, s
			}
		},
	}
}
