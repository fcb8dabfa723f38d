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
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/identity"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "auth"

// Config is the service's own configuration.
type Config struct {
	// Limits bound how often people may try. The zero value stands for the defaults.
	Limits
	// PasswordCost is the cost of bcrypt, 4 to 31. 0 stands for DefaultPasswordCost. It is not in the environment.
	PasswordCost int `ignored:"true"`
}

// Service answers the requests of the auth service.
type Service struct {
	users     store.Collection
	sessions  *identity.Sessions
	passwords *passwords
	limits    *limits
	log       *slog.Logger
	now       func() time.Time
}

// New is the service's service.Build. The accounts are in the collection "users".
func New(ctx context.Context, s *service.Service, cfg Config) error {
	passwords, err := newPasswords(cmp.Or(cfg.PasswordCost, DefaultPasswordCost))
	if err != nil {
		return err
	}
	limits, err := newLimits(cfg.Limits, s.Now)
	if err != nil {
		return err
	}
	users, err := s.Store.Collection(ctx, usersSpec())
	if err != nil {
		return fmt.Errorf("open users: %w", err)
	}
	s.Routes((&Service{users, s.Sessions, passwords, limits, s.Log, s.Now}).Handler())
	return nil
}
