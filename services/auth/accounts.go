package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// emailIndex finds an account by its e-mail, which is its unique key as well.
const emailIndex = "email"

func usersSpec() store.Spec {
	return store.Spec{Name: "users", Indexes: []string{emailIndex}}
}

// account is a user as it is stored. It has no further versions and publishes no events.
type account struct {
	ID           event.ID `json:"-"`
	Email        string   `json:"email"`
	PasswordHash string   `json:"passwordHash"`
}

// createAccount stores a new account. Of several with one e-mail the store's unique key lets exactly one
// in; the others are in Conflict. After store.ErrUnavailable the account may exist: signing in tells.
func (s *Service) createAccount(ctx context.Context, a account) error {
	state, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode account: %w", err)
	}
	err = s.users.Put(ctx, store.Write{
		ID:    string(a.ID),
		Key:   a.Email,
		Index: map[string]string{emailIndex: a.Email},
		State: state,
	})
	if errors.Is(err, store.ErrKeyTaken) {
		return fault.Field(fault.Conflict, "email", "Email in use")
	}
	if err != nil {
		return fmt.Errorf("create account %s: %w", a.ID, err)
	}
	return nil
}

// findAccount returns the account with an e-mail, or the zero account where there is none.
func (s *Service) findAccount(ctx context.Context, email string) (account, error) {
	records, err := s.users.List(ctx, store.Query{Index: emailIndex, Value: email, Limit: 1})
	if err != nil {
		return account{}, fmt.Errorf("find account: %w", err)
	}
	if len(records) == 0 {
		return account{}, nil
	}
	a := account{ID: event.ID(records[0].ID)}
	if err := json.Unmarshal(records[0].State, &a); err != nil {
		return account{}, fmt.Errorf("decode account %s: %w", a.ID, err)
	}
	return a, nil
}
