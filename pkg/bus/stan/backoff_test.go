package stan

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	tests := []struct {
		failures    int
		least, most time.Duration
	}{
		{1, 50 * time.Millisecond, 100 * time.Millisecond},
		{2, 100 * time.Millisecond, 200 * time.Millisecond},
		{4, 400 * time.Millisecond, 800 * time.Millisecond},
		{7, 2500 * time.Millisecond, 5 * time.Second},
		{1000, 2500 * time.Millisecond, 5 * time.Second},
	}
	for _, tt := range tests {
		if got := backoff(tt.failures, 0); got != tt.least {
			t.Errorf("after %d failures at least %v, want %v", tt.failures, got, tt.least)
		}
		if got := backoff(tt.failures, 0.999999); got <= tt.least || got > tt.most {
			t.Errorf("after %d failures at most %v, want %v", tt.failures, got, tt.most)
		}
	}
}

func TestWholeSecondsRoundsUp(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		time.Second:             time.Second,
		time.Second + 1:         2 * time.Second,
		1500 * time.Millisecond: 2 * time.Second,
		10*time.Minute - 1:      10 * time.Minute,
		2 * time.Second:         2 * time.Second,
	} {
		if got := wholeSeconds(given); got != want {
			t.Errorf("%v becomes %v, want %v", given, got, want)
		}
	}
}
