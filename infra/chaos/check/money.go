package check

import (
	"fmt"
	"maps"
	"slices"
)

// Ended finds orders that still wait for their money.
func Ended(orders Books) []Finding {
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(orders.Own)) {
		if order := orders.Own[id]; order.Holds != "" && !order.Sold {
			found = append(found, Finding{CheckEnded, id, fmt.Sprintf("is neither paid nor cancelled; its time was over at %v", order.ExpiresAt)})
		}
	}
	return found
}

// Money compares what orders cost with what the provider keeps, in cents by order: all of a complete order, and nothing
// of any other.
func Money(orders Books, kept map[string]int64) []Finding {
	var found []Finding
	for _, id := range slices.Sorted(maps.Keys(orders.Own)) {
		if order := orders.Own[id]; order.Sold && kept[id] != order.Cents {
			found = append(found, Finding{CheckMoney, id, fmt.Sprintf("is complete at %d cents, of which %d are kept", order.Cents, kept[id])})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		if !orders.Own[id].Sold {
			found = append(found, Finding{CheckMoney, id, fmt.Sprintf("is not complete, and %d cents are kept for it", kept[id])})
		}
	}
	return found
}
