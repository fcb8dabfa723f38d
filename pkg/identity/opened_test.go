package identity_test

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ticketing/pkg/identity"
)

// What a cookie says is remembered, whether it holds is not.
func TestASessionThatWasReadBeforeStillEnds(t *testing.T) {
	withExp := seal(t, jwt.SigningMethodHS256, []byte(key), jwt.MapClaims{
		"id": ann.ID, "email": ann.Email, "iat": issuedAt.Unix(), "exp": issuedAt.Add(time.Hour).Unix(),
	})
	for _, tt := range []struct {
		name, cookie string
		at           time.Duration // since it was issued
		want         error
	}{
		{"before its time to live is over", nodeCookie, ttl - time.Second, nil},
		{"after it", nodeCookie, ttl, identity.ErrBadSession},
		{"before its exp", withExp, time.Hour, nil}, // and the skew that is allowed
		{"after its exp", withExp, 2 * time.Hour, identity.ErrBadSession},
		{"by a clock that was set back to before it was issued", nodeCookie, -time.Hour, identity.ErrBadSession},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// given a session that has been read
			now := issuedAt
			s, err := identity.NewSessions([]byte(key), ttl, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			if user, _, err := s.Read(requestWith(tt.cookie)); user != ann || err != nil {
				t.Fatalf("Read = %v, %v", user, err)
			}
			// when it is read at another time
			now = issuedAt.Add(tt.at)
			user, since, err := s.Read(requestWith(tt.cookie))
			// then it is judged by that time
			if !errors.Is(err, tt.want) || (err == nil && (user != ann || !since.Equal(issuedAt))) {
				t.Errorf("Read = %v, %v, %v, want error %v", user, since, err, tt.want)
			}
		})
	}
}

func TestACookieLikeOneThatWasReadIsStillForged(t *testing.T) {
	s := sessionsAt(t, issuedAt)
	if _, _, err := s.Read(requestWith(nodeCookie)); err != nil {
		t.Fatal(err)
	}
	for at := range nodeCookie {
		forged := []byte(nodeCookie)
		forged[at] ^= 1
		if user, _, err := s.Read(requestWith(string(forged))); err == nil {
			t.Errorf("with another byte %d Read = %v", at, user)
		}
	}
}

// BenchmarkRead is what a request of somebody who is signed in pays: for the first time, and then.
func BenchmarkRead(b *testing.B) {
	r := requestWith(nodeCookie)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := sessionsAt(b, issuedAt)
			b.StartTimer()
			if _, _, err := s.Read(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		s := sessionsAt(b, issuedAt)
		for b.Loop() {
			if _, _, err := s.Read(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
