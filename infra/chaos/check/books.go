package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Replicas compares a service's replicas with the entities of their owner, both ways. It finds those that
// are missing, behind, ahead, of another content, of no source, and those that still wait for a version.
func Replicas(service string, source, replica Books) []Finding {
	var found []Finding
	report := func(id, format string, args ...any) {
		found = append(found, Finding{CheckReplicas, service + "/" + id, fmt.Sprintf(format, args...)})
	}
	for _, id := range slices.Sorted(maps.Keys(source.Own)) {
		want := source.Own[id]
		got, ok := replica.Replicas[id]
		switch {
		case !ok:
			report(id, "is missing; its source stands at version %d", want.Version)
		case got.Version != want.Version:
			report(id, "stands at version %d, its source at %d (%d early events are kept)", got.Version, want.Version, got.Early)
		case got.Content != want.Content:
			report(id, "is %s at version %d, its source %s", got.Content, got.Version, want.Content)
		case got.Holder != want.Holder:
			report(id, "is held by order %q at version %d, its source by %q", got.Holder, got.Version, want.Holder)
		case got.Early > 0:
			report(id, "keeps %d early events behind version %d, where its source ends", got.Early, got.Version)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(replica.Replicas)) {
		if _, ok := source.Own[id]; !ok {
			report(id, "has no source")
		}
	}
	return found
}

// Logs looks for versions that a replica skipped, applied twice or applied out of order. Every replica must
// have a log.
func Logs(service string, replica Books) []Finding {
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(replica.Replicas)) {
		entity := replica.Replicas[id]
		if detail := logFault(entity); detail != "" {
			found = append(found, Finding{CheckLogs, service + "/" + id, detail})
		}
	}
	return found
}

// logFault tells the first thing that is wrong with a log; empty where nothing is.
func logFault(entity Entity) string {
	for at, version := range entity.Log {
		switch want := int64(at); {
		case version > want:
			return fmt.Sprintf("version %d was skipped or applied late: %v", want, entity.Log)
		case version < want:
			return fmt.Sprintf("version %d was applied twice: %v", version, entity.Log)
		}
	}
	if last := int64(len(entity.Log)) - 1; last != entity.Version {
		return fmt.Sprintf("stands at version %d, but the last one applied is %d", entity.Version, last)
	}
	return ""
}

// Reactions compares the entities that a service changes because of another's events with that other
// one's: a reaction that took effect exactly once for each version has brought them to the same version.
func Reactions(service string, source, reacting Books) []Finding {
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(source.Own)) {
		want := source.Own[id].Version
		if got, ok := reacting.Own[id]; !ok || got.Version != want {
			found = append(found, Finding{CheckLogs, service + "/" + id,
				fmt.Sprintf("reacted up to version %d (there: %t), its source stands at %d", got.Version, ok, want)})
		}
	}
	return found
}

// Outbox finds events that wait although nothing happens any more.
func Outbox(service string, books Books) []Finding {
	if books.Waiting == 0 {
		return nil
	}
	return []Finding{{CheckOutbox, service, fmt.Sprintf("%d events wait", books.Waiting)}}
}

// ParkedExactly compares what is parked with the poison that was injected: no more, no less, each for the reason
// foreseen. An event that was injected several times may be parked as often, and must be at least once: the
// publisher cannot know whether an attempt without an answer was stored.
func ParkedExactly(service string, injected []Parked, books Books) []Finding {
	var found []Finding
	report := func(p Parked, detail string) {
		found = append(found, Finding{CheckParked, service, fmt.Sprintf("%s %q (%s): %s", p.Channel, shorten(p.Data), p.Reason, detail)})
	}
	got, want := count(books.Parked), count(injected)
	for _, p := range sorted(want) {
		if got[p] == 0 {
			report(p, "was injected and is not parked")
		}
	}
	for _, p := range sorted(got) {
		if got[p] > want[p] {
			report(p, fmt.Sprintf("is parked %d times and was injected %d times", got[p], want[p]))
		}
	}
	return found
}

func count(events []Parked) map[Parked]int {
	n := map[Parked]int{}
	for _, p := range events {
		n[p]++
	}
	return n
}

func sorted(events map[Parked]int) []Parked {
	return slices.SortedFunc(maps.Keys(events), func(a, b Parked) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Data, b.Data), cmp.Compare(a.Reason, b.Reason))
	})
}

func shorten(text string) string {
	if len(text) > 200 {
		return text[:200] + "..."
	}
	return text
}

// Holders finds tickets that several live orders hold.
func Holders(orders Books) []Finding {
	holders := map[string][]string{}
	for id, order := range orders.Own {
		if order.Holds != "" {
			holders[order.Holds] = append(holders[order.Holds], id)
		}
	}
	var found []Finding
	for _, ticket := range slices.Sorted(maps.Keys(holders)) {
		if ids := holders[ticket]; len(ids) > 1 {
			slices.Sort(ids)
			found = append(found, Finding{CheckHolders, ticket, "is held by the orders " + strings.Join(ids, ", ")})
		}
	}
	return found
}

// Seats compares who holds each ticket, and whether it is sold, as tickets and orders have it.
func Seats(tickets, orders Books) []Finding {
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(tickets.Own)) {
		ticket := tickets.Own[id]
		if order := orders.Own[ticket.Holder]; ticket.Holder != "" && (order.Holds != id || order.Sold != ticket.Sold) {
			found = append(found, Finding{CheckSeats, id, fmt.Sprintf("is held by order %s, sold: %t; the order holds %q, complete: %t",
				ticket.Holder, ticket.Sold, order.Holds, order.Sold)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(orders.Own)) {
		order := orders.Own[id]
		if ticket := tickets.Own[order.Holds]; order.Holds != "" && ticket.Holder != id {
			found = append(found, Finding{CheckSeats, order.Holds, fmt.Sprintf("is held by order %q; order %s holds it", ticket.Holder, id)})
		}
	}
	return found
}
