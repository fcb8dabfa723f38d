package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"ticketing/pkg/fault"
)

// DefaultPasswordCost makes one check of a password take about 90 ms (measured on a 2-core cloud
// machine; each step up doubles it).
const DefaultPasswordCost = 10

// maxHashWait is how long a request waits for its turn to hash. Beyond it the client should rather come
// again than keep a place in the queue.
const maxHashWait = 5 * time.Second

// passwords hashes and compares passwords. Hashing is slow on purpose, so a crowd at the door could take
// every processor: only half of them hash at a time, at least one, and the rest wait for
// their turn. It may be used concurrently.
type passwords struct {
	cost  int
	turns *semaphore.Weighted
	// nobody is the hash of a password that no one knows.
	nobody []byte
}

func newPasswords(cost int) (*passwords, error) {
	nobody, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), cost)
	if err != nil {
		return nil, fmt.Errorf("hash passwords at cost %d: %w", cost, err)
	}
	turns := turnsOn(runtime.GOMAXPROCS(0), runtime.NumCPU())
	return &passwords{cost: cost, turns: semaphore.NewWeighted(int64(turns)), nobody: nobody}, nil
}

// turnsOn is how many may hash at a time. The runtime may have fewer processors than the machine has, where a
// container's CPU is limited, and more, where files are synced (app.AllowForSyncs); where both is so, a few more hash.
func turnsOn(processors, cores int) int { return max(1, min(processors, cores)/2) }

// isWhole tells whether bcrypt reads all of a password, and no other password as the same one. It reads 72 bytes,
// and repeats a shorter password with a NUL after each turn: "ab" and "ab\x00ab" would be one.
func isWhole(password string) bool {
	return len(password) <= maxPassword && strings.IndexByte(password, 0) < 0
}

// hash returns the hash to keep for a password that isWhole. It returns an Unavailable fault
// where its turn does not come in time, and the context's error where ctx ended first.
func (p *passwords) hash(ctx context.Context, password string) ([]byte, error) {
	if err := p.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer p.turns.Release(1)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// matches tells whether hash is that of password. An empty hash stands for an account that does not exist. It
// matches nothing, nor does a password that is not whole, after the same work, so that the time of the answer does
// not tell who has an account. Errors are those of hash.
func (p *passwords) matches(ctx context.Context, hash []byte, password string) (bool, error) {
	if err := p.takeTurn(ctx); err != nil {
		return false, err
	}
	defer p.turns.Release(1)
	possible := len(hash) > 0 && isWhole(password)
	if !possible {
		hash = p.nobody
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return possible && err == nil, nil
}

// takeTurn waits until this caller may hash.
func (p *passwords) takeTurn(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, maxHashWait)
	defer cancel()
	err := p.turns.Acquire(waiting, 1)
	if err != nil && ctx.Err() == nil {
		return fault.New(fault.Unavailable, "too many people are signing in, try again")
	}
	return err
}
