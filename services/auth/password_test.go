package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"
)

func passwordsAt(t *testing.T, cost int) *passwords {
	t.Helper()
	p, err := newPasswords(cost)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHalfOfTheCoresHash(t *testing.T) {
	for _, tt := range []struct{ processors, cores, want int }{
		{1, 1, 1}, {2, 2, 1}, {8, 8, 4},
		{2, 64, 1}, // a container's limit
		{6, 2, 1},  // and processors for what syncs files
	} {
		if got := turnsOn(tt.processors, tt.cores); got != tt.want {
			t.Errorf("%d processors on %d cores: %d hash, want %d", tt.processors, tt.cores, got, tt.want)
		}
	}
}

func TestPasswordsMatch(t *testing.T) {
	ctx := context.Background()
	p := passwordsAt(t, bcrypt.MinCost)
	longest := strings.Repeat("x", 72)
	hash, err := p.hash(ctx, longest)
	if err != nil {
		t.Fatal(err)
	}
	short, err := p.hash(ctx, "ab")
	if err != nil {
		t.Fatal(err)
	}
	if bcrypt.CompareHashAndPassword(short, []byte("ab\x00ab")) != nil {
		t.Error("bcrypt tells passwords with a NUL apart: the rule about them is not needed any more")
	}
	for _, tt := range []struct {
		name     string
		hash     []byte
		password string
		want     bool
	}{
		{"the right one", hash, longest, true},
		{"a wrong one", hash, longest[1:], false},
		{"none", hash, "", false},
		{"the right one and more", hash, longest + "y", false},
		{"nobody's", nil, longest, false},
		{"one that bcrypt takes for it", short, "ab\x00ab", false},
	} {
		if got, err := p.matches(ctx, tt.hash, tt.password); got != tt.want || err != nil {
			t.Errorf("%s: matches = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	if _, err := p.matches(ctx, []byte("no hash"), "1234"); err == nil {
		t.Error("a damaged hash passed for a wrong password")
	}
}

// An account that does not exist must cost as much as a wrong password. Only a lower bound can be
// asserted of time: an early answer would be a thousand times faster.
func TestNobodyTakesAsLongAsSomebody(t *testing.T) {
	ctx := context.Background()
	p := passwordsAt(t, bcrypt.MinCost+3)
	hash, err := p.hash(ctx, "1234")
	if err != nil {
		t.Fatal(err)
	}
	fastest := func(hash []byte) time.Duration {
		best := time.Hour
		for range 10 {
			start := time.Now()
			if ok, err := p.matches(ctx, hash, "wrong"); ok || err != nil {
				t.Fatalf("matches = %v, %v", ok, err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	somebody, nobody := fastest(hash), fastest(nil)
	if nobody < somebody/4 {
		t.Errorf("nobody took %v, somebody %v", nobody, somebody)
	}
}

func TestHashingWaitsForItsTurn(t *testing.T) {
	p := passwordsAt(t, bcrypt.MinCost)
	p.turns = semaphore.NewWeighted(1)

	// Given that somebody hashes, and a client that goes away while it waits
	if err := p.takeTurn(context.Background()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.hash(gone, "1234"); !errors.Is(err, context.Canceled) {
		t.Errorf("hash = %v, want canceled", err)
	}

	// When the turn ends, then the next one hashes, and leaves its turn to others
	p.turns.Release(1)
	for range 2 {
		if _, err := p.hash(context.Background(), "1234"); err != nil {
			t.Errorf("hash = %v", err)
		}
		if _, err := p.matches(context.Background(), nil, "1234"); err != nil {
			t.Errorf("matches = %v", err)
		}
	}
}

func TestCostIsChecked(t *testing.T) {
	if _, err := newPasswords(bcrypt.MaxCost + 1); err == nil {
		t.Error("a cost that bcrypt does not know was accepted")
	}
}
