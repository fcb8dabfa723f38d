package identity_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/identity"
)

// nodeCookie is what cookie-session 2 (signed: false) set for a token of jsonwebtoken 9, signed with
// key for ann at issuedAt.
const (
	nodeCookie = "eyJqd3QiOiJleUpoYkdjaU9pSklVekkxTmlJc0luUjVjQ0k2SWtwWFZDSjkuZXlKcFpDSTZJalkxWVRBd01EQXdNREF3TURBd01EQ" +
		"XdNREF3TURCaFlTSXNJbVZ0WVdsc0lqb2lZVzV1UUdWNFlXMXdiR1V1WTI5dElpd2lhV0YwSWpveE56WTNNekl5T1RnMGZRLmdKaS1NbmZ6O" +
		"XpBNmlrNllIUU9pbHdyb3Fvc1p4UzRVM1NTdnFWcWdoVE0ifQ=="
	key = "0123456789abcdef0123456789abcdef"
	ttl = 24 * time.Hour
)

var (
	ann      = identity.User{ID: "65a0000000000000000000aa", Email: "ann@example.com"}
	issuedAt = time.Unix(1767322984, 0)
)

// sessionsAt are the sessions as a service sees them at a time.
func sessionsAt(t testing.TB, at time.Time) *identity.Sessions {
	t.Helper()
	s, err := identity.NewSessions([]byte(key), ttl, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func requestWith(cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "session="+cookie)
	return r
}

// seal makes a cookie of any claims, signed with any method and key.
func seal(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return envelope(token)
}

func envelope(token string) string {
	content, _ := json.Marshal(map[string]string{"jwt": token})
	return base64.StdEncoding.EncodeToString(content)
}

func TestReadsACookieOfTheNodeVersion(t *testing.T) {
	binary, _ := base64.StdEncoding.DecodeString(nodeCookie)
	for name, cookie := range map[string]string{
		"as set":             nodeCookie,
		"unpadded":           strings.TrimRight(nodeCookie, "="),
		"URL-safe":           base64.URLEncoding.EncodeToString(binary),
		"URL-safe, unpadded": base64.RawURLEncoding.EncodeToString(binary),
	} {
		user, since, err := sessionsAt(t, issuedAt.Add(time.Hour)).Read(requestWith(cookie))
		if user != ann || !since.Equal(issuedAt) || err != nil {
			t.Errorf("%s: Read = %v, %v, %v", name, user, since, err)
		}
	}
}

func TestIssuesTheCookieOfTheNodeVersion(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if err := sessionsAt(t, issuedAt.Add(300*time.Millisecond)).Issue(w, r, ann); err != nil {
		t.Fatal(err)
	}
	want := "session=" + nodeCookie + "; Path=/; HttpOnly; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("Set-Cookie = %s\nwant         %s", got, want)
	}
}

// cookie-session 1.x writes and reads express:sess, which net/http does not take for a name.
func TestTheCookieHasTheNameThatIsAskedFor(t *testing.T) {
	named, err := sessionsAt(t, issuedAt).Named("express:sess")
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
	if err := named.Issue(w, r, ann); err != nil {
		t.Fatal(err)
	}
	named.Clear(w, r)
	want := []string{
		"express:sess=" + nodeCookie + "; Path=/; HttpOnly; SameSite=Lax",
		"express:sess=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
	}
	if diff := cmp.Diff(want, w.Header().Values("Set-Cookie")); diff != "" {
		t.Error("Set-Cookie (-want +got):", diff)
	}
	for header, want := range map[string]error{
		"express:sess=" + nodeCookie:                              nil,
		`a=b; express:sess="` + nodeCookie + `"; session=other`:   nil,
		"session=" + nodeCookie:                                   identity.ErrNoSession,
		"express:sess.sig=" + nodeCookie + "; express:sess":       identity.ErrNoSession,
		"express:sess=; express:sess=" + nodeCookie:               identity.ErrNoSession,
		"xexpress:sess=" + nodeCookie + "; express:sess=no token": identity.ErrBadSession,
	} {
		r.Header.Set("Cookie", header)
		if user, _, err := named.Read(r); !errors.Is(err, want) || err == nil && user != ann {
			t.Errorf("%.40s: Read = %v, %v, want error %v", header, user, err, want)
		}
	}
	for _, name := range []string{"", "a b", "a=b", "a;b", "a,b", `"a"`, "ä", "a\n"} {
		if _, err := named.Named(name); err == nil {
			t.Errorf("a cookie is named %q", name)
		}
	}
}

func TestCookieIsSecureBehindTLS(t *testing.T) {
	direct := httptest.NewRequest(http.MethodPost, "https://tickets.example/", nil)
	gateway := httptest.NewRequest(http.MethodPost, "/", nil)
	gateway.Header.Set("X-Forwarded-Proto", "https")
	s := sessionsAt(t, issuedAt)
	for name, r := range map[string]*http.Request{"direct": direct, "gateway": gateway} {
		w := httptest.NewRecorder()
		if err := s.Issue(w, r, ann); err != nil {
			t.Fatal(err)
		}
		s.Clear(w, r)
		for _, cookie := range w.Result().Cookies() {
			if !cookie.Secure {
				t.Errorf("%s: %s is not Secure", name, cookie)
			}
		}
	}
}

func TestClearExpiresTheCookie(t *testing.T) {
	w := httptest.NewRecorder()
	sessionsAt(t, issuedAt).Clear(w, httptest.NewRequest(http.MethodPost, "/", nil))
	want := "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("Set-Cookie = %s, want %s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"id": string(ann.ID), "email": ann.Email, "iat": issuedAt.Unix()}
		change(c)
		return c
	}
	signed := func(change func(jwt.MapClaims)) string {
		return seal(t, jwt.SigningMethodHS256, []byte(key), claims(change))
	}
	same := func(jwt.MapClaims) {}
	good := token(t, signed(same))
	none := seal(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(same))
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c[name] = value }
	}
	for _, tt := range []struct {
		name, cookie string
		after        time.Duration // since issuedAt
		want         error
	}{
		{"control: a good one", signed(same), 0, nil},
		{"control: just before its end", signed(same), ttl - time.Second, nil},
		{"control: a clock half a minute ahead", signed(same), -30 * time.Second, nil},
		{"control: an exp to come", signed(set("exp", issuedAt.Add(time.Hour).Unix())), 0, nil},
		{"empty", "", 0, identity.ErrNoSession},
		{"at its end", signed(same), ttl, identity.ErrBadSession},
		{"from the future", signed(same), -2 * time.Minute, identity.ErrBadSession},
		{"exp has passed", signed(set("exp", issuedAt.Add(time.Hour).Unix())), 2 * time.Hour, identity.ErrBadSession},
		{"nbf is to come", signed(set("nbf", issuedAt.Add(time.Hour).Unix())), 0, identity.ErrBadSession},
		{"no iat", signed(func(c jwt.MapClaims) { delete(c, "iat") }), 0, identity.ErrBadSession},
		{"iat is text", signed(set("iat", "now")), 0, identity.ErrBadSession},
		{"iat beyond time", signed(set("iat", 1e300)), 0, identity.ErrBadSession},
		{"no id", signed(func(c jwt.MapClaims) { delete(c, "id") }), 0, identity.ErrBadSession},
		{"id is none", signed(set("id", "../admin")), 0, identity.ErrBadSession},
		{"id is a number", signed(set("id", 1)), 0, identity.ErrBadSession},
		{"no e-mail", signed(func(c jwt.MapClaims) { delete(c, "email") }), 0, identity.ErrBadSession},
		{"alg none", none, 0, identity.ErrBadSession},
		{"alg HS512", seal(t, jwt.SigningMethodHS512, []byte(key), claims(same)), 0, identity.ErrBadSession},
		{"another key", seal(t, jwt.SigningMethodHS256, []byte(strings.Repeat("k", 32)), claims(same)), 0, identity.ErrBadSession},
		{"signature cut off", envelope(good[:strings.LastIndex(good, ".")+1]), 0, identity.ErrBadSession},
		{"no token", envelope(""), 0, identity.ErrBadSession},
		{"token is no token", envelope("a.b.c"), 0, identity.ErrBadSession},
		{"not base64", "!!!!", 0, identity.ErrBadSession},
		{"not JSON", base64.StdEncoding.EncodeToString([]byte("hello")), 0, identity.ErrBadSession},
		{"jwt is a number", base64.StdEncoding.EncodeToString([]byte(`{"jwt":1}`)), 0, identity.ErrBadSession},
		{"oversized", signed(set("padding", strings.Repeat("x", 4096))), 0, identity.ErrBadSession},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, since, err := sessionsAt(t, issuedAt.Add(tt.after)).Read(requestWith(tt.cookie))
			if !errors.Is(err, tt.want) {
				t.Fatalf("Read = %v, want %v", err, tt.want)
			}
			if err != nil && (user != identity.User{} || !since.IsZero()) {
				t.Errorf("Read returned %v, %v beside %v", user, since, err)
			}
			if err == nil && user != ann {
				t.Errorf("Read = %v, want %v", user, ann)
			}
		})
	}
}

// token takes the token out of a cookie that seal has made.
func token(t testing.TB, cookie string) string {
	t.Helper()
	content, err := base64.StdEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]string
	if err := json.Unmarshal(content, &e); err != nil {
		t.Fatal(err)
	}
	return e["jwt"]
}

func TestNewSessionsChecksItsKey(t *testing.T) {
	if _, err := identity.NewSessions([]byte(key[:31]), ttl, time.Now); err == nil {
		t.Error("a key of 31 bytes was accepted")
	}
	if _, err := identity.NewSessions([]byte(key), 0, time.Now); err == nil {
		t.Error("a time to live of 0 was accepted")
	}
}

func TestMiddleware(t *testing.T) {
	s := sessionsAt(t, issuedAt)
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := identity.FromContext(r.Context())
		if !ok {
			user.Email = "nobody"
		}
		_, _ = w.Write([]byte(user.Email))
	})
	for _, tt := range []struct {
		name, cookie string
		handler      http.Handler
		status       int
		body         string
	}{
		{"signed in", nodeCookie, s.Authenticate(greet), 200, ann.Email},
		{"signed in, required", nodeCookie, s.Authenticate(identity.Require(greet)), 200, ann.Email},
		{"forged", "x" + nodeCookie, s.Authenticate(greet), 200, "nobody"},
		{"forged, required", "x" + nodeCookie, s.Authenticate(identity.Require(greet)), 401, `"message":"not signed in"`},
		{"nobody, required", "", s.Authenticate(identity.Require(greet)), 401, `"message":"not signed in"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, requestWith(tt.cookie))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("answer = %d %s, want %d %s", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(nodeCookie)
	f.Add(envelope("a.b.c"))
	f.Add(envelope("eyJhbGciOiJub25lIn0.e30."))
	f.Add("====")
	f.Add(strings.Repeat("A", 5000))
	s := sessionsAt(f, issuedAt)
	f.Fuzz(func(t *testing.T, cookie string) {
		user, _, err := s.Read(requestWith(cookie))
		switch {
		case err == nil && user != ann: // the key has signed nothing else
			t.Errorf("Read(%q) = %v", cookie, user)
		case err != nil && !errors.Is(err, identity.ErrBadSession) && !errors.Is(err, identity.ErrNoSession):
			t.Errorf("Read(%q) = %v", cookie, err)
		}
	})
}

func TestSubkeysDifferByPurposeAndKey(t *testing.T) {
	subkeys := func(key, purpose string) (now, earlier string) {
		t.Helper()
		sessions, err := identity.NewSessions([]byte(key), ttl, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		derived, err := sessions.Subkey(purpose)
		if err != nil {
			t.Fatal(err)
		}
		return string(derived), string(sessions.EarlierSubkey(purpose))
	}
	one, other := strings.Repeat("k", 32), strings.Repeat("l", 32)
	seen := map[string]bool{one: true, other: true}
	for _, from := range []struct{ key, purpose string }{{one, "a"}, {one, "b"}, {one, ""}, {other, "a"}} {
		now, earlier := subkeys(from.key, from.purpose)
		if again, earlierAgain := subkeys(from.key, from.purpose); again != now || earlierAgain != earlier {
			t.Errorf("purpose %q has two subkeys", from.purpose)
		}
		if seen[now] || seen[earlier] || now == earlier {
			t.Errorf("a subkey for %q is the key or another subkey", from.purpose)
		}
		seen[now], seen[earlier] = true, true
	}
}

// Entities are found by what is derived from the subkeys, so another derivation loses them.
func TestSubkeysStayAsTheyAre(t *testing.T) {
	sessions, err := identity.NewSessions([]byte(strings.Repeat("k", 32)), ttl, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	subkey, err := sessions.Subkey("a")
	// RFC 5869 with SHA-256, no salt, info "ticketing/a", 32 bytes; calculated in Python
	if got := hex.EncodeToString(subkey); err != nil || got != "338e72f6851dc7f2e7bbc72f4f271a67bb3d883c66a02df093888b2b344c5493" {
		t.Errorf("Subkey = %s, %v", got, err)
	}
	// HMAC-SHA-256 of "subkey/a"
	if got := hex.EncodeToString(sessions.EarlierSubkey("a")); got != "d99c758dc3794098bf9908cb3d212b773bae98fc07ea323d1c69120fb8dd7b67" {
		t.Errorf("EarlierSubkey = %s", got)
	}
}
