package event_test

import (
	"encoding/json"
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

func TestIDFromJSON(t *testing.T) {
	for data, valid := range map[string]bool{
		`"65a1b2c3d4e5f60718293a4b"`: true,
		`"65A1B2C3D4E5F60718293A4B"`: false,
		`"65a1"`:                     false,
		`7`:                          false,
	} {
		var id event.ID
		err := json.Unmarshal([]byte(data), &id)
		if got := err == nil; got != valid {
			t.Errorf("%s: error is %v, want one: %t", data, err, !valid)
		}
		if valid && `"`+string(id)+`"` != data {
			t.Errorf("%s was read as %q", data, id)
		}
	}
}
