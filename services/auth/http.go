package auth

import (
	"net/http"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
)

// Handler returns the public routes of the service, with all middleware.
func (s *Service) Handler() http.Handler {
	r := httpapi.NewRouter(s.log)
	r.Post("/api/users/signup", httpapi.Handle(s.log, s.signUp))
	r.Post("/api/users/signin", httpapi.Handle(s.log, s.signIn))
	r.Post("/api/users/signout", httpapi.Handle(s.log, s.signOut))
	r.Get("/api/users/currentuser", httpapi.Handle(s.log, s.currentUser))
	return r
}

// userView is a user as a client sees it.
type userView struct {
	ID    event.ID `json:"id"`
	Email string   `json:"email"`
}

func (s *Service) signUp(w http.ResponseWriter, r *http.Request) error {
	given, err := httpapi.Decode[credentials](r)
	if err != nil {
		return err
	}
	accepted, err := checkSignUp(given)
	if err != nil {
		return err
	}
	if err := s.limits.admit(r, accepted.Email); err != nil {
		return err
	}
	hash, err := s.passwords.hash(r.Context(), accepted.Password)
	if err != nil {
		return err
	}
	a := account{ID: event.NewID(s.now()), Email: accepted.Email, PasswordHash: string(hash)}
	if err := s.createAccount(r.Context(), a); err != nil {
		return err
	}
	s.log.DebugContext(r.Context(), "signed up", "id", a.ID)
	return s.welcome(w, r, http.StatusCreated, a)
}

// signIn answers a wrong password and an unknown e-mail alike, in word and time.
func (s *Service) signIn(w http.ResponseWriter, r *http.Request) error {
	given, err := httpapi.Decode[credentials](r)
	if err != nil {
		return err
	}
	accepted, err := checkSignIn(given)
	if err != nil {
		return err
	}
	if err := s.limits.admit(r, accepted.Email); err != nil {
		return err
	}
	a, err := s.findAccount(r.Context(), accepted.Email)
	if err != nil {
		return err
	}
	ok, err := s.passwords.matches(r.Context(), []byte(a.PasswordHash), accepted.Password)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.Invalid, "Invalid credentials")
	}
	s.log.DebugContext(r.Context(), "signed in", "id", a.ID)
	return s.welcome(w, r, http.StatusOK, a)
}

// welcome answers with the account and a session for it.
func (s *Service) welcome(w http.ResponseWriter, r *http.Request, status int, a account) error {
	if err := s.sessions.Issue(w, r, identity.User{ID: a.ID, Email: a.Email}); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, status, userView{ID: a.ID, Email: a.Email})
}

func (s *Service) signOut(w http.ResponseWriter, r *http.Request) error {
	s.sessions.Clear(w, r)
	return httpapi.WriteJSON(w, http.StatusOK, struct{}{})
}

// currentUserView is what the Node version answers: the claims of the session, or null.
type currentUserView struct {
	CurrentUser *sessionView `json:"currentUser"`
}

type sessionView struct {
	userView
	IssuedAt int64 `json:"iat"`
}

// currentUser tells who is signed in. A session that does not hold is nobody's, and no error.
func (s *Service) currentUser(w http.ResponseWriter, r *http.Request) error {
	var answer currentUserView
	if user, since, err := s.sessions.Read(r); err == nil {
		answer.CurrentUser = &sessionView{userView{ID: user.ID, Email: user.Email}, since.Unix()}
	}
	return httpapi.WriteJSON(w, http.StatusOK, answer)
}
