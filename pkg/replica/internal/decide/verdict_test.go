package decide

import (
	"testing"

	"ticketing/pkg/event"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name            string
		stored, version event.Version
		same            bool
		want            Verdict
	}{
		{"first of all", event.None, 0, false, Apply},
		{"next", 4, 5, false, Apply},
		{"the one stored, again", 5, 5, true, Stale},
		{"the one stored, with other content", 5, 5, false, Conflict},
		{"from the past", 5, 4, false, Stale},
		{"from long ago", 5, 0, false, Stale},
		{"one missing", 5, 7, false, Early},
		{"first missing", event.None, 1, false, Early},
		{"far ahead", event.None, event.MaxVersion, false, Early},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Compare(tt.stored, tt.version, func() bool { return tt.same }); got != tt.want {
				t.Errorf("Compare(%d, %d) = %v, want %v", tt.stored, tt.version, got, tt.want)
			}
		})
	}
}
