package identity

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// cookieName is what a cookie may be called: a token of RFC 6265, or one with colons, which browsers take and
// cookie-session 1.x uses.
var cookieName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z:]+$")

// Named returns the same sessions in a cookie of another name, or an error if no cookie can have that name. All
// services must use the same one. Unless its name is set, cookie-session 1.x of the Node version uses "express:sess".
func (s *Sessions) Named(cookie string) (*Sessions, error) {
	if !cookieName.MatchString(cookie) {
		return nil, fmt.Errorf("%q cannot be the name of a cookie", cookie)
	}
	named := *s
	named.cookie = cookie
	return &named, nil
}

// newCookie believes anybody's X-Forwarded-Proto: who lies about it makes a cookie of their own stricter.
func newCookie(r *http.Request, value string) *http.Cookie {
	return &http.Cookie{
		Name:     CookieName,
		Value:    value,
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	}
}

// setCookie is http.SetCookie under the name of these sessions, as net/http writes no name with a colon.
func (s *Sessions) setCookie(w http.ResponseWriter, cookie *http.Cookie) {
	w.Header().Add("Set-Cookie", s.cookie+strings.TrimPrefix(cookie.String(), cookie.Name))
}

// cookieOf returns the value of the first cookie of a name, as net/http reads no name with a colon; "" if there is none.
func cookieOf(r *http.Request, name string) string {
	for _, line := range r.Header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if key, value, found := strings.Cut(strings.TrimSpace(pair), "="); found && key == name {
				return strings.Trim(value, `"`)
			}
		}
	}
	return ""
}
