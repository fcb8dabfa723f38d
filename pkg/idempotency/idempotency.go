// Package idempotency lets a client repeat a create whose answer was lost, and get the first answer.
//
//	POST, Idempotency-Key: k ─> Claim{ID, RequestHash} ─> outbox.CreateOnce: the one write that makes this entity
//	      id = HMAC(user, route, k)                          ├─ it is new: its event, 201
//	      hash = of the request, stored beside the state     └─ it exists: the same 201, or 422 if the hash differs
//
// There is no table of keys: the id is the key. So one conditional write decides among any number of repeats at any
// number of instances. A crash leaves either everything or nothing, and a key holds for as long as its entity exists.
// Nobody can aim at another user's entity, because the id is an HMAC over the user too.
//
// The secret is a subkey of the sessions' key, so that services share no further one. When that key is replaced,
// everybody has to sign in again, and a create that is repeated across that moment is made twice.
//
// Earlier releases derived the subkey in another way, so they gave other ids to the same requests. An entity under such
// an id is found, and its create is not made again. While instances of both releases run, a create that the new one
// answered and the earlier one gets again is made twice, unless the entity's own unique key forbids that, as an order's
// does. A later release can stop looking for earlier ids; from then on those creates too can be made twice.
package idempotency

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
)

// Header is the name of the header that makes a create repeatable.
const Header = "Idempotency-Key"

// MaxKey is the longest key, in bytes.
const MaxKey = 255

// Keys makes claims under one secret. It may be used concurrently.
type Keys struct {
	secret  []byte
	earlier []byte // the secret of earlier releases
	exists  func(context.Context, event.ID) (bool, error)
}

// subkeys is what Keys takes its secret from: identity.Sessions.
type subkeys interface {
	Subkey(purpose string) ([]byte, error)
	EarlierSubkey(purpose string) []byte
}

// NewKeys returns Keys under a secret of its own, the same at every instance. exists reports whether there is an entity
// of an id: Keys looks for one that an earlier release made.
func NewKeys(from subkeys, exists func(context.Context, event.ID) (bool, error)) (*Keys, error) {
	const purpose = "idempotency"
	secret, err := from.Subkey(purpose)
	if err != nil {
		return nil, err
	}
	return &Keys{secret: secret, earlier: from.EarlierSubkey(purpose), exists: exists}, nil
}

// Claim is what a request to create something lays claim to.
type Claim struct {
	// ID is that of the new entity: the same for every repeat of the request, or a new one if the request has no key.
	ID event.ID
	// RequestHash tells one request from another; it is empty if the request has no key.
	RequestHash string
}

// Claim returns what r, by which user asks for request, lays claim to at now. Requests that differ only in how
// their JSON is written are the same. Ids that come from a key do not sort by time. A malformed key is an Invalid fault.
// Errors of exists come through wrapped.
func (k *Keys) Claim(r *http.Request, user event.ID, request any, now time.Time) (Claim, error) {
	key, given, err := parseKey(r.Header.Values(Header))
	if err != nil {
		return Claim{}, err
	}
	if !given {
		return Claim{ID: event.NewID(now)}, nil
	}
	content, err := json.Marshal(request)
	if err != nil {
		return Claim{}, fmt.Errorf("encode the request: %w", err)
	}
	hash := sha256.Sum256(content)
	id, err := k.id(r.Context(), string(user), r.Method+" "+r.URL.Path, key)
	if err != nil {
		return Claim{}, err
	}
	return Claim{ID: id, RequestHash: hex.EncodeToString(hash[:16])}, nil
}

// id returns the id that is made of parts, or the one that an earlier release made of them if that exists.
func (k *Keys) id(ctx context.Context, parts ...string) (event.ID, error) {
	earlier := makeID(k.earlier, parts...)
	exists, err := k.exists(ctx, earlier)
	if err != nil {
		return "", fmt.Errorf("look for what an earlier release made: %w", err)
	}
	if exists {
		return earlier, nil
	}
	return makeID(k.secret, parts...), nil
}

// makeID makes an id of parts. Each goes in behind its length, so that no two lists of parts look alike.
func makeID(secret []byte, parts ...string) event.ID {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		mac.Write(binary.AppendUvarint(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return event.ID(hex.EncodeToString(mac.Sum(nil)[:12]))
}

// parseKey reads the lines of the header: none, or one with 1 to MaxKey printable ASCII characters, taken as they
// are, quotes and all.
func parseKey(lines []string) (key string, given bool, err error) {
	if len(lines) == 0 {
		return "", false, nil
	}
	key = lines[0]
	if len(lines) > 1 || key == "" || len(key) > MaxKey || !isPrintable(key) {
		return "", false, fault.New(fault.Invalid, fmt.Sprintf("%s must be 1 to %d printable ASCII characters", Header, MaxKey))
	}
	return key, true, nil
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
