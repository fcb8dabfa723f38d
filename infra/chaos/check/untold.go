package check

import (
	"maps"
	"slices"
	"time"
)

// withUntold returns a history with what no client was told, as the store of orders knows it in the end:
//
//   - A reservation without an answer was done if its order is there: between its request and the order's end.
//   - An order that nobody has paid may be cancelled at any time once its own is over.
func withUntold(history []Op, orders Books, began time.Time) []Op {
	told := map[string]bool{}
	asked := map[string]time.Duration{} // when a ticket's first reservation without an answer was sent
	var whole []Op
	for _, op := range history {
		if op.Kind == Reserve && op.Unknown() {
			if first, ok := asked[op.Ticket]; !ok || op.Call < first {
				asked[op.Ticket] = op.Call
			}
			continue
		}
		told[op.Order] = told[op.Order] || op.Kind == Reserve
		whole = append(whole, op)
	}
	for _, id := range slices.Sorted(maps.Keys(orders.Own)) {
		order := orders.Own[id]
		over := order.ExpiresAt.Sub(began)
		if !told[id] {
			whole = append(whole, Op{Kind: Reserve, Ticket: order.Ticket, Order: id, Status: 201, Call: asked[order.Ticket], Return: over})
		}
		if !order.Sold {
			whole = append(whole, Op{Kind: Cancel, Ticket: order.Ticket, Order: id, Call: over, Return: over})
		}
	}
	return whole
}
