package identity

import (
	"context"
	"net/http"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

// userKey is the context key of the signed-in user.
type userKey struct{}

// Authenticate puts the signed-in user into the request's context. A request without a valid cookie
// passes on with nobody in it.
func (s *Sessions) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, err := s.Read(r); err == nil {
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		}
		next.ServeHTTP(w, r)
	})
}

// Require answers 401 where Authenticate, which must come before it, has found nobody.
func Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := FromContext(r.Context()); !ok {
			httpapi.WriteProblem(w, fault.New(fault.Unauthenticated, "not signed in"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// FromContext returns the signed-in user; ok is false where there is none.
func FromContext(ctx context.Context) (user User, ok bool) {
	user, ok = ctx.Value(userKey{}).(User)
	return user, ok
}
