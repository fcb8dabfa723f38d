// Package auth is the service that knows people: it signs them up, in and out, and gives out the session
// cookie that every other service reads for itself (pkg/identity). It publishes no events.
//
//	POST /api/users/signup ─> checkSignUp ─> admit ─> hash ─> store (the e-mail is the unique key) ─┐
//	POST /api/users/signin ─> checkSignIn ─> admit ─> store ─> compare ─────────────────────────────┴─> cookie
//
// user.go has the rules, limits.go who is let in, password.go the hashing, accounts.go the store, http.go the
// routes.
package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/store"
)

// Deps is what the service works with.
type Deps struct {
	// Store keeps the accounts, in the collection "users". The caller closes it, after the last request.
	Store store.Database
	// Sessions writes the cookies.
	Sessions *identity.Sessions
	Log      *slog.Logger
	Now      func() time.Time
	// PasswordCost is the cost of bcrypt, 4 to 31; 0 stands for DefaultPasswordCost.
	PasswordCost int
	// Limits bound how often people may try; the zero value stands for the defaults.
	Limits Limits
}

// Service is the auth service. It may be used concurrently, by any number of members on one store.
type Service struct {
	store     store.Database
	users     store.Collection
	sessions  *identity.Sessions
	passwords *passwords
	limits    *limits
	log       *slog.Logger
	now       func() time.Time
}

// New opens what the service needs in its store. It fails with store.ErrUnavailable where that cannot
// be reached.
func New(ctx context.Context, deps Deps) (*Service, error) {
	cost := deps.PasswordCost
	if cost == 0 {
		cost = DefaultPasswordCost
	}
	hashing, err := newPasswords(cost)
	if err != nil {
		return nil, err
	}
	limits, err := newLimits(deps.Limits, deps.Now)
	if err != nil {
		return nil, err
	}
	users, err := deps.Store.Collection(ctx, usersSpec())
	if err != nil {
		return nil, fmt.Errorf("open users: %w", err)
	}
	return &Service{
		store:     deps.Store,
		users:     users,
		sessions:  deps.Sessions,
		passwords: hashing,
		limits:    limits,
		log:       deps.Log,
		now:       deps.Now,
	}, nil
}

// Checks are what must work for the service to be ready.
func (s *Service) Checks() []httpapi.Check {
	return []httpapi.Check{{Name: "store", Check: s.store.Ping}}
}

// Run waits for the end of ctx: this service has no work but its requests.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
