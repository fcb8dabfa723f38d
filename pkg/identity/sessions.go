// Package identity knows who sends a request: the session cookie, which every service can read without
// asking another.
//
//	auth:    Issue ─> Set-Cookie: session=base64({"jwt":"<HS256 over id, email, iat>"})
//	others:  Cookie ─> Authenticate ─> context ─> FromContext
//	                                └> Require: 401 where there is nobody
//
// The cookie is the one of the Node version (cookie-session around jsonwebtoken), byte for byte, so
// either side reads what the other wrote. Who holds the key can be anyone: services share it and
// nobody else has it. There is no list of sessions; signing out forgets the cookie, and a stolen
// one ends with its time to live.
package identity

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"ticketing/pkg/event"
)

const (
	// CookieName is the name of the session cookie, if it is given no other one.
	CookieName = "session"
	// MinKey is the least length of the key, in bytes: the output of SHA-256, as RFC 7518 demands.
	MinKey = 32
	// maxCookie is the longest value that is looked at, in bytes; browsers store no longer one.
	maxCookie = 4096
	// maxOpened is how many cookies are remembered, some 300 bytes each.
	maxOpened = 8192
	// maxSkew is how far the clock of another service may be ahead of ours.
	maxSkew = time.Minute
)

// Errors of Read. Both mean that nobody is signed in.
var (
	// ErrNoSession: the request has no session cookie.
	ErrNoSession = errors.New("no session")
	// ErrBadSession: the cookie is forged, expired or no session at all.
	ErrBadSession = errors.New("bad session")
)

// User is who sends a request.
type User struct {
	ID    event.ID
	Email string
}

// Sessions writes and reads session cookies. It may be used concurrently.
type Sessions struct {
	cookie    string
	key       []byte
	ttl       time.Duration
	now       func() time.Time
	parser    *jwt.Parser
	validator *jwt.Validator
	// opened are cookies that have been opened before, by their hash. It is remembered only what a cookie says,
	// which is the same for ever; whether that still holds is checked each time.
	opened *lru.Cache[cookieHash, claims]
}

// cookieHash stands for a cookie's value, which is a secret and may be long.
type cookieHash [sha256.Size]byte

// NewSessions returns the sessions under a key that all services share. A session ends when ttl has
// passed since it was issued. It returns an error where the key is shorter than MinKey bytes or
// ttl is not positive.
func NewSessions(key []byte, ttl time.Duration, now func() time.Time) (*Sessions, error) {
	if len(key) < MinKey {
		return nil, fmt.Errorf("session key has %d bytes, must have at least %d", len(key), MinKey)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("session time to live is %s, must be positive", ttl)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), // none, and every other, is refused
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // the validator does it, each time
	)
	validator := jwt.NewValidator(jwt.WithIssuedAt(), jwt.WithLeeway(maxSkew), jwt.WithTimeFunc(now))
	opened, err := lru.New[cookieHash, claims](maxOpened)
	if err != nil {
		return nil, fmt.Errorf("remember sessions: %w", err)
	}
	return &Sessions{cookie: CookieName, key: bytes.Clone(key), ttl: ttl, now: now, parser: parser, validator: validator, opened: opened}, nil
}

// Subkey returns 32 bytes for another purpose that needs a secret which all services share. Who knows it learns
// neither the key nor the subkey of another purpose. It changes with the key.
func (s *Sessions) Subkey(purpose string) ([]byte, error) {
	subkey, err := hkdf.Key(sha256.New, s.key, nil, "ticketing/"+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the subkey for %s: %w", purpose, err)
	}
	return subkey, nil
}

// EarlierSubkey returns the subkey that releases before Subkey used HKDF derived for this purpose. It is for reading
// what they left; make nothing new with it.
func (s *Sessions) EarlierSubkey(purpose string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("subkey/" + purpose)) // no token: those begin with the base64 of a brace
	return mac.Sum(nil)
}

// claims are what the token says. The order is that of the Node version.
type claims struct {
	ID    event.ID `json:"id"`
	Email string   `json:"email"`
	jwt.RegisteredClaims
}

// envelope is the object in the cookie.
type envelope struct {
	JWT string `json:"jwt"`
}

// Issue signs u in: it sets the cookie for a session that begins now. The cookie is Secure where the
// client speaks TLS, to us or to the gateway before us.
func (s *Sessions) Issue(w http.ResponseWriter, r *http.Request, u User) error {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		ID:               u.ID,
		Email:            u.Email,
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(s.now())},
	})
	signed, err := token.SignedString(s.key)
	if err != nil {
		return fmt.Errorf("sign session: %w", err)
	}
	content, err := json.Marshal(envelope{JWT: signed})
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	s.setCookie(w, newCookie(r, base64.StdEncoding.EncodeToString(content)))
	return nil
}

// Clear signs out: it makes the client forget the cookie.
func (s *Sessions) Clear(w http.ResponseWriter, r *http.Request) {
	cookie := newCookie(r, "")
	cookie.MaxAge = -1
	s.setCookie(w, cookie)
}

// Read returns who is signed in and since when (to the second). ErrNoSession where the request has no
// cookie or an empty one; ErrBadSession, wrapped with the reason, for any that does not hold.
func (s *Sessions) Read(r *http.Request) (User, time.Time, error) {
	cookie := cookieOf(r, s.cookie)
	if cookie == "" {
		return User{}, time.Time{}, ErrNoSession
	}
	c, err := s.open(cookie)
	if err == nil {
		err = s.checkTimes(c)
	}
	if err != nil {
		return User{}, time.Time{}, fmt.Errorf("%w: %w", ErrBadSession, err)
	}
	return User{ID: c.ID, Email: c.Email}, c.IssuedAt.Time, nil
}

// open returns what a cookie's token says, once its signature has been checked. Base64, JSON and HMAC were a tenth of
// the CPU of a request, hence the memory.
func (s *Sessions) open(cookie string) (claims, error) {
	if len(cookie) > maxCookie {
		return claims{}, fmt.Errorf("cookie has %d bytes", len(cookie))
	}
	hash := cookieHash(sha256.Sum256([]byte(cookie)))
	if c, known := s.opened.Get(hash); known {
		return c, nil
	}
	token, err := openEnvelope(cookie)
	if err != nil {
		return claims{}, err
	}
	c, err := s.verify(token)
	if err != nil {
		return claims{}, err
	}
	s.opened.Add(hash, c)
	return c, nil
}

// openEnvelope takes the token out of a cookie's value. Like Node's Buffer it reads the standard and the
// URL-safe alphabet, padded or not.
func openEnvelope(value string) (string, error) {
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(value, "="))
	content, err := base64.RawStdEncoding.DecodeString(standard)
	if err != nil {
		return "", err
	}
	var e envelope
	if err := json.Unmarshal(content, &e); err != nil {
		return "", err
	}
	return e.JWT, nil
}

// verify checks the signature first, and then that the token says what a session needs.
func (s *Sessions) verify(token string) (claims, error) {
	var c claims
	if _, err := s.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key, nil }); err != nil {
		return claims{}, err
	}
	if c.ID == "" || c.Email == "" || c.IssuedAt == nil {
		return claims{}, errors.New("token lacks id, email or iat")
	}
	return c, nil
}

// checkTimes tells whether a session holds now. The Node version's tokens have no exp; one that is there is honoured.
func (s *Sessions) checkTimes(c claims) error {
	if err := s.validator.Validate(&c); err != nil {
		return err
	}
	if end := c.IssuedAt.Add(s.ttl); !s.now().Before(end) {
		return fmt.Errorf("token expired at %s", end.UTC().Format(time.RFC3339))
	}
	return nil
}
