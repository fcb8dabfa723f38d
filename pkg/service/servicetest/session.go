package servicetest

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/identity"
)

// Key signs the sessions of these tests.
const Key = "0123456789abcdef0123456789abcdef"

// ttl is how long a session of these tests is valid.
const ttl = time.Hour

// Now is the time of these tests.
func Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC) }

// Sessions are the sessions under Key as they are seen at Now.
func Sessions(t testing.TB) *identity.Sessions { return sessionsAt(t, Now) }

func sessionsAt(t testing.TB, now func() time.Time) *identity.Sessions {
	t.Helper()
	sessions, err := identity.NewSessions([]byte(Key), ttl, now)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// SignIn returns the cookie of a user who signed in at Now.
func SignIn(t testing.TB, user event.ID) string { return SignInAt(t, user, Now()) }

// SignInAt returns the cookie of a user who signed in at some time.
func SignInAt(t testing.TB, user event.ID, at time.Time) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/api/users/signin", nil)
	sessions := sessionsAt(t, func() time.Time { return at })
	if err := sessions.Issue(w, r, identity.User{ID: user, Email: "user@example.com"}); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0].Value
}

func cookie(session string) string {
	if session == "" {
		return ""
	}
	return identity.CookieName + "=" + session
}

// BadSession is a cookie that signs nobody in.
type BadSession struct{ Name, Session string }

// BadSessions are cookies that would sign user in if they held.
func BadSessions(t testing.TB, user event.ID) []BadSession {
	t.Helper()
	claims := func(at time.Time) jwt.MapClaims {
		return jwt.MapClaims{"id": user, "email": "user@example.com", "iat": at.Unix()}
	}
	padded := claims(Now())
	padded["padding"] = strings.Repeat("x", 4096)
	good := SignIn(t, user)
	return []BadSession{
		{"none", ""},
		{"forged", seal(t, jwt.SigningMethodHS256, []byte(strings.ToUpper(Key)), claims(Now()))},
		{"expired", seal(t, jwt.SigningMethodHS256, []byte(Key), claims(Now().Add(-ttl)))},
		{"from the future", seal(t, jwt.SigningMethodHS256, []byte(Key), claims(Now().Add(ttl)))},
		{"none-algorithm", seal(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(Now()))},
		{"another algorithm", seal(t, jwt.SigningMethodHS512, []byte(Key), claims(Now()))},
		{"without an id", seal(t, jwt.SigningMethodHS256, []byte(Key), jwt.MapClaims{"email": "a@b.cd", "iat": Now().Unix()})},
		{"oversized", seal(t, jwt.SigningMethodHS256, []byte(Key), padded)},
		{"cut short", good[:len(good)-8]},
		{"garbage", "%%%"},
	}
}

// seal makes a cookie of any claims, signed with any method and key.
func seal(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{"jwt": token})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(content)
}
