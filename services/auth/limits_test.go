package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/httpapi"
	"ticketing/pkg/ratelimit"
	"ticketing/services/auth"
)

// try signs somebody in or up who comes from an address, by way of the proxies that forwarded names.
func (s *system) try(route, peer, forwarded, email string) *http.Response {
	body := fmt.Sprintf(`{"email":%q,"password":"the one of %s"}`, email, route) // so nobody gets in
	r := httptest.NewRequest(http.MethodPost, "/api/users/"+route, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = peer
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	w := httptest.NewRecorder()
	s.service.Handler().ServeHTTP(w, r)
	return w.Result()
}

// checkRefused finds that an answer is 429 and when it says to come back.
func checkRefused(t *testing.T, answer *http.Response, retryAfter string) {
	t.Helper()
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != retryAfter ||
		answer.Header.Get("Content-Type") != "application/problem+json" || len(answer.Cookies()) != 0 {
		t.Fatalf("answer = %d, %v, want a problem 429, Retry-After %s", answer.StatusCode, answer.Header, retryAfter)
	}
}

func TestAnAccountCanBeTriedTenTimes(t *testing.T) {
	// Given the default limits, and one account of two,
	at := now()
	s := startWith(t, auth.Limits{}, func() time.Time { return at })
	s.try("signup", "192.0.2.99:1", "", "ann@example.com")
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		// when it is tried from many addresses, then the eleventh try is refused, whether it exists or not
		left := 10
		if email == "ann@example.com" {
			left = 9 // the sign-up was one
		}
		for i := range left {
			if answer := s.try("signin", fmt.Sprintf("192.0.2.%d:1", i), "", email); answer.StatusCode != 400 {
				t.Fatalf("try %d with %s = %d, want 400", i, email, answer.StatusCode)
			}
		}
		checkRefused(t, s.try("signin", "192.0.2.50:1", "", email), "6")
		// in whatever way it is written, to sign up as to sign in.
		checkRefused(t, s.try("signup", "192.0.2.51:1", "", strings.ToUpper(email)), "6")
	}
	// When it has waited, then one more is let through.
	at = at.Add(6 * time.Second)
	if answer := s.try("signin", "192.0.2.50:1", "", "ann@example.com"); answer.StatusCode != 400 {
		t.Errorf("after the wait = %d, want 400", answer.StatusCode)
	}
	checkRefused(t, s.try("signin", "192.0.2.50:1", "", "ann@example.com"), "6")
}

func TestAnAddressIsLimitedWhoeverItNames(t *testing.T) {
	limits := auth.Limits{Address: ratelimit.Rate{Tries: 3, Per: 3 * time.Second}, Account: ratelimit.Rate{Off: true}}
	if err := limits.TrustedProxies.UnmarshalText([]byte("10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		// from is peer and X-Forwarded-For of the i-th try.
		from    func(i int) (peer, forwarded string)
		another string // an address of somebody else, behind the same proxy where there is one
		proxied bool
	}{
		{"one address", func(i int) (string, string) { return fmt.Sprintf("192.0.2.1:%d", i+1), "" }, "192.0.2.2", false},
		{"one that lies about it", func(i int) (string, string) { return "192.0.2.1:1", fmt.Sprintf("198.51.100.%d", i) }, "192.0.2.2", false},
		{"one household", func(i int) (string, string) { return fmt.Sprintf("[2001:db8::%d]:1", i+1), "" }, "[2001:db8:0:1::1]", false},
		{"behind a gateway", func(int) (string, string) { return "10.0.0.1:1", "198.51.100.7" }, "198.51.100.8", true},
		{"behind a gateway and a lie", func(i int) (string, string) {
			return "10.0.0.1:1", fmt.Sprintf("203.0.113.%d, 198.51.100.7", i)
		}, "198.51.100.8", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startWith(t, limits, now)
			for i := range 3 {
				peer, forwarded := tt.from(i)
				if answer := s.try("signin", peer, forwarded, fmt.Sprintf("p%d@example.com", i)); answer.StatusCode != 400 {
					t.Fatalf("try %d = %d, want 400", i, answer.StatusCode)
				}
			}
			peer, forwarded := tt.from(3)
			checkRefused(t, s.try("signup", peer, forwarded, "p4@example.com"), "1")
			peer, forwarded = tt.another+":1", ""
			if tt.proxied {
				peer, forwarded = "10.0.0.1:1", tt.another
			}
			if answer := s.try("signin", peer, forwarded, "p0@example.com"); answer.StatusCode != 400 {
				t.Errorf("somebody else = %d, want 400", answer.StatusCode)
			}
		})
	}
}

func TestWhatIsRefusedAnywayUsesUpNoTries(t *testing.T) {
	s := startWith(t, auth.Limits{Address: ratelimit.Rate{Tries: 1, Per: time.Hour}}, now)
	for range 5 {
		if answer := s.try("signin", "192.0.2.1:1", "", "no address"); answer.StatusCode != 400 {
			t.Fatalf("a malformed e-mail = %d, want 400", answer.StatusCode)
		}
	}
	if answer := s.try("signin", "192.0.2.1:1", "", "ann@example.com"); answer.StatusCode != 400 {
		t.Errorf("the first real try = %d, want 400", answer.StatusCode)
	}
	checkRefused(t, s.try("signin", "192.0.2.1:1", "", "bob@example.com"), "3600")
	for _, path := range []string{"/api/users/currentuser", "/api/users/nowhere"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = "192.0.2.1:1"
		w := httptest.NewRecorder()
		s.service.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusTooManyRequests {
			t.Errorf("GET %s = 429", path)
		}
	}
}

// A refused address must not lock others out of their accounts. An address pays for each of its tries, even for one
// that the account refuses: else it could go through accounts for ever.
func TestWhoPaysForATryThatIsRefused(t *testing.T) {
	const here, elsewhere = "192.0.2.1:1", "192.0.2.2:1"
	limits := auth.Limits{Address: ratelimit.Rate{Tries: 2, Per: 2 * time.Hour}, Account: ratelimit.Rate{Tries: 2, Per: time.Hour}}
	const ofAddress, ofAccount = "3600", "1800"
	for _, route := range []string{"signin", "signup"} {
		t.Run("an address that is refused by "+route, func(t *testing.T) {
			s := startWith(t, limits, now)
			s.try("signin", here, "", "bob@example.com")
			s.try("signin", here, "", "ann@example.com")
			for range 5 {
				checkRefused(t, s.try(route, here, "", "ann@example.com"), ofAddress)
			}
			if answer := s.try("signin", elsewhere, "", "ann@example.com"); answer.StatusCode != 400 {
				t.Errorf("the second try with the account = %d, want 400", answer.StatusCode)
			}
			checkRefused(t, s.try("signin", elsewhere, "", "ann@example.com"), ofAccount)
		})
		t.Run("an account that is refused by "+route, func(t *testing.T) {
			s := startWith(t, limits, now)
			for range 2 {
				s.try("signin", elsewhere, "", "ann@example.com")
			}
			for range 2 {
				checkRefused(t, s.try(route, here, "", "ann@example.com"), ofAccount)
			}
			checkRefused(t, s.try(route, here, "", "bob@example.com"), ofAddress)
		})
	}
}

func TestTheDefaultsLetACrowdSignUp(t *testing.T) {
	// Given the default limits, when 300 people sign up at once from one address, as behind a gateway that
	// nobody named, then all are let in.
	s := startWith(t, auth.Limits{TrustedProxies: httpapi.TrustedProxies{}}, now)
	for i := range 300 {
		if answer := s.try("signup", "127.0.0.1:1", "", fmt.Sprintf("p%d@example.com", i)); answer.StatusCode != 201 {
			t.Fatalf("person %d = %d, want 201", i, answer.StatusCode)
		}
	}
	checkRefused(t, s.try("signup", "127.0.0.1:1", "", "late@example.com"), "1")
}
