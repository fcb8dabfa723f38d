package decide

import (
	"testing"

	"ticketing/pkg/event"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name            string
		stored, version event.Version
		terminal, same  bool
		want            Verdict
	}{
		{"first of all", event.None, 0, false, false, Apply},
		{"next", 4, 5, false, false, Apply},
		{"the one stored, again", 5, 5, false, true, Stale},
		{"the one stored, with other content", 5, 5, false, false, Conflict},
		{"from the past", 5, 4, false, false, Stale},
		{"from long ago", 5, 0, false, false, Stale},
		{"one missing", 5, 7, false, false, Early},
		{"first missing", event.None, 1, false, false, Early},
		{"far ahead", event.None, event.MaxVersion, false, false, Early},
		{"the end, next", 0, 1, true, false, Apply},
		{"the end, with versions missing", 0, 3, true, false, Apply},
		{"the end, again", 3, 3, true, true, Stale},
		{"the end in another way", 3, 3, true, false, Conflict},
		{"an end from the past", 3, 1, true, false, Stale},
		{"the end before the beginning", event.None, 1, true, false, Early},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Compare(tt.stored, tt.version, tt.terminal, func() bool { return tt.same }); got != tt.want {
				t.Errorf("Compare(%d, %d) = %v, want %v", tt.stored, tt.version, got, tt.want)
			}
		})
	}
}
