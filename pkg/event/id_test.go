package event_test

import (
	"testing"
	"time"

	"ticketing/pkg/event"
)

func TestNewIDSortsByTimeAndIsUnique(t *testing.T) {
	// given two moments a nanosecond apart, on both sides of a second
	before := time.Unix(1_800_000_000, 999_999_999)
	after := before.Add(time.Nanosecond)
	seen := map[event.ID]bool{}
	for range 1000 {
		a, b := event.NewID(before), event.NewID(after)
		if a >= b {
			t.Fatalf("%s, made earlier, sorts behind %s", a, b)
		}
		for _, id := range []event.ID{a, b} {
			if _, err := event.ParseID(string(id)); err != nil || seen[id] {
				t.Fatalf("%s: parse error %v, seen before %v", id, err, seen[id])
			}
			seen[id] = true
		}
	}
}
