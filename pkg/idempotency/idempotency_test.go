package idempotency_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/idempotency"
)

// secret stands for the sessions.
type secret string

func (s secret) Subkey(purpose string) ([]byte, error) { return []byte(string(s) + "/" + purpose), nil }

func (s secret) EarlierSubkey(purpose string) []byte { return []byte(purpose + "/" + string(s)) }

// newKeys are the keys of a service that has no entities yet.
func newKeys(t testing.TB, s secret) *idempotency.Keys {
	return keysAmong(t, s, func(context.Context, event.ID) (bool, error) { return false, nil })
}

func keysAmong(t testing.TB, s secret, exists func(context.Context, event.ID) (bool, error)) *idempotency.Keys {
	t.Helper()
	keys, err := idempotency.NewKeys(s, exists)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

type draft struct {
	Title string `json:"title"`
}

const (
	ann = event.ID("65a0000000000000000000aa")
	bob = event.ID("65a0000000000000000000bb")
)

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func claim(t testing.TB, keys *idempotency.Keys, path string, user event.ID, request draft, lines ...string) idempotency.Claim {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Header[idempotency.Header] = lines
	c, err := keys.Claim(r, user, request, now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := event.ParseID(string(c.ID)); err != nil {
		t.Fatalf("id %q: %v", c.ID, err)
	}
	return c
}

func TestARepeatClaimsTheSame(t *testing.T) {
	keys := newKeys(t, "one")
	first := claim(t, keys, "/api/tickets", ann, draft{"concert"}, "k")
	if again := claim(t, newKeys(t, "one"), "/api/tickets", ann, draft{"concert"}, "k"); again != first {
		t.Errorf("a repeat at another replica claims %+v, the first %+v", again, first)
	}
	if first.RequestHash == "" {
		t.Error("a claim with a key has no hash")
	}
}

func TestAnotherBodyHasAnotherHash(t *testing.T) {
	keys := newKeys(t, "one")
	first := claim(t, keys, "/api/tickets", ann, draft{"concert"}, "k")
	other := claim(t, keys, "/api/tickets", ann, draft{"opera"}, "k")
	if other.ID != first.ID || other.RequestHash == first.RequestHash || other.RequestHash == "" {
		t.Errorf("another body claims %+v, the first %+v; want one id and two hashes", other, first)
	}
}

func TestEverythingElseMakesAnotherID(t *testing.T) {
	one := newKeys(t, "one")
	claims := map[string]idempotency.Claim{
		"first":           claim(t, one, "/api/tickets", ann, draft{"concert"}, "k"),
		"another key":     claim(t, one, "/api/tickets", ann, draft{"concert"}, "K"),
		"a quoted key":    claim(t, one, "/api/tickets", ann, draft{"concert"}, `"k"`),
		"another route":   claim(t, one, "/api/orders", ann, draft{"concert"}, "k"),
		"another user":    claim(t, one, "/api/tickets", bob, draft{"concert"}, "k"),
		"another secret":  claim(t, newKeys(t, "two"), "/api/tickets", ann, draft{"concert"}, "k"),
		"no key":          claim(t, one, "/api/tickets", ann, draft{"concert"}),
		"no key, again":   claim(t, one, "/api/tickets", ann, draft{"concert"}),
		"moved boundary":  claim(t, one, "/api/ticket", ann, draft{"concert"}, "sk"),
		"moved boundary ": claim(t, one, "/api/tickets", ann+"a", draft{"concert"}, "k"),
	}
	seen := map[event.ID]string{}
	for name, c := range claims {
		if other, taken := seen[c.ID]; taken {
			t.Errorf("%q and %q claim one id", name, other)
		}
		seen[c.ID] = name
	}
	if hash := claims["no key"].RequestHash; hash != "" {
		t.Errorf("a claim without a key has the hash %s", hash)
	}
}

func TestAnEntityOfAnEarlierReleaseIsClaimed(t *testing.T) {
	// given a service that has everything, or nothing, under the ids that it is asked for
	var asked []event.ID
	var answer error
	has := false
	keys := keysAmong(t, "one", func(_ context.Context, id event.ID) (bool, error) {
		asked = append(asked, id)
		return has, answer
	})
	fresh := claim(t, keys, "/api/tickets", ann, draft{"concert"}, "k")
	has = true
	old := claim(t, keys, "/api/tickets", ann, draft{"concert"}, "k")
	// then it is asked for one id of this request, which is claimed if it exists; the hash does not differ.
	if len(asked) != 2 || asked[0] != asked[1] || old.ID != asked[0] || fresh.ID == old.ID || fresh.RequestHash != old.RequestHash {
		t.Errorf("claimed %+v, and %+v if it exists; asked for %v", fresh, old, asked)
	}
	claim(t, keys, "/api/tickets", ann, draft{"concert"})
	if len(asked) != 2 {
		t.Error("a request without a key was looked for")
	}
	// A store that cannot be asked is no reason to create.
	answer = errors.New("store is away")
	r := httptest.NewRequest(http.MethodPost, "/api/tickets", nil)
	r.Header.Set(idempotency.Header, "k")
	if got, err := keys.Claim(r, ann, draft{"concert"}, now()); !errors.Is(err, answer) || got != (idempotency.Claim{}) {
		t.Errorf("Claim = %+v, %v, want %v", got, err, answer)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	keys := newKeys(t, "one")
	for _, lines := range [][]string{{""}, {"a", "b"}, {strings.Repeat("k", 256)}, {"k\x00"}, {"k\t"}, {"käse"}, {"\xff"}} {
		r := httptest.NewRequest(http.MethodPost, "/api/tickets", nil)
		r.Header[idempotency.Header] = lines
		if _, err := keys.Claim(r, ann, draft{}, now()); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q = %v, want Invalid", lines, err)
		}
	}
	claim(t, keys, "/api/tickets", ann, draft{}, strings.Repeat("k", 255))
}

// FuzzClaim: a key is refused as the client's fault, or is a claim that its repeat makes too and another
// user's does not.
func FuzzClaim(f *testing.F) {
	for _, key := range []string{"", "k", `"k"`, "5e3e3d64-1ca7-4a6e-8a1d-7b3f8d6b5a10", " ", "\x7f", strings.Repeat("k", 256)} {
		f.Add(key, "concert")
	}
	keys := newKeys(f, "one")
	f.Fuzz(func(t *testing.T, key, title string) {
		r := httptest.NewRequest(http.MethodPost, "/api/tickets", nil)
		r.Header[idempotency.Header] = []string{key}
		first, err := keys.Claim(r, ann, draft{title}, now())
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v", key, err)
			}
			return
		}
		again, err := keys.Claim(r, ann, draft{title}, now().Add(time.Hour))
		if err != nil || again != first || first.RequestHash == "" {
			t.Fatalf("%q claims %+v, then %+v, %v", key, first, again, err)
		}
		if other, err := keys.Claim(r, bob, draft{title}, now()); err != nil || other.ID == first.ID {
			t.Fatalf("%q of another user claims %+v, %v", key, other, err)
		}
	})
}
