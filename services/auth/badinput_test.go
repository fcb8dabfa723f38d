package auth_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"ticketing/pkg/httpapi"
)

// TestBadInput sends what a client should not. Each must get its status and a problem document, leave
// nothing above debug in the log, and do no harm.
func TestBadInput(t *testing.T) {
	s := start(t)
	const jsonType = "application/json"
	for _, tt := range []struct {
		name, request, media, body string
		status                     int
		field                      string
	}{
		{"nothing", "POST /api/users/signup", jsonType, ``, 400, ""},
		{"half an object", "POST /api/users/signup", jsonType, `{"email":`, 400, ""},
		{"an array", "POST /api/users/signin", jsonType, `[]`, 400, ""},
		{"null", "POST /api/users/signin", jsonType, `null`, 400, ""},
		{"NaN", "POST /api/users/signin", jsonType, `{"email":NaN}`, 400, ""},
		{"two objects", "POST /api/users/signup", jsonType, annSecret + annSecret, 400, ""},
		{"not UTF-8", "POST /api/users/signup", jsonType, "{\"email\":\"\xff@example.com\"}", 400, ""},
		{"e-mail is a number", "POST /api/users/signup", jsonType, `{"email":1,"password":"secret"}`, 400, "email"},
		{"e-mail is an object", "POST /api/users/signin", jsonType, `{"email":{"$ne":""},"password":"secret"}`, 400, "email"},
		{"e-mail is none", "POST /api/users/signup", jsonType, `{"email":"ann","password":"secret"}`, 400, "email"},
		{"password is an array", "POST /api/users/signup", jsonType, `{"email":"a@b.cd","password":["secret"]}`, 400, "password"},
		{"password is too short", "POST /api/users/signup", jsonType, `{"email":"a@b.cd","password":"abc"}`, 400, "password"},
		{"password is missing", "POST /api/users/signin", jsonType, `{"email":"a@b.cd"}`, 400, "password"},
		{"password has 10,000 characters", "POST /api/users/signup", jsonType,
			`{"email":"a@b.cd","password":"` + strings.Repeat("x", 10_000) + `"}`, 400, "password"},
		{"no content type", "POST /api/users/signup", "", annSecret, 415, ""},
		{"a form", "POST /api/users/signin", "application/x-www-form-urlencoded", "email=a", 415, ""},
		{"another charset", "POST /api/users/signin", "application/json; charset=utf-16", annSecret, 415, ""},
		{"over 1 MiB", "POST /api/users/signup", jsonType, strings.Repeat(" ", httpapi.MaxBody+1), 413, ""},
		{"a wrong method", "GET /api/users/signup", "", "", 405, ""},
		{"another wrong method", "DELETE /api/users/currentuser", "", "", 405, ""},
		{"no such path", "GET /api/users", "", "", 404, ""},
		{"a path with dots", "GET /api/users/../users/currentuser", "", "", 404, ""},
		{"a path with encoded dots", "GET /api/users/%2e%2e/users/currentuser", "", "", 404, ""},
		{"a path with an empty segment", "GET //api/users/currentuser", "", "", 404, ""},
		{"a path with an encoded slash", "GET /api%2fusers/currentuser", "", "", 404, ""},
		{"a path with a backslash", `GET /api\users\currentuser`, "", "", 404, ""},
		{"a path with a zero byte", "GET /api/users/currentuser%00", "", "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := s.sendRaw(t, tt.request, tt.media, tt.body)
			defer answer.Body.Close()
			if answer.StatusCode != tt.status || answer.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("answer = %d %s, want %d and a problem", answer.StatusCode, answer.Header.Get("Content-Type"), tt.status)
			}
			var p httpapi.Problem
			if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
				t.Fatal(err)
			}
			if p.Status != tt.status || len(p.Errors) == 0 || p.Errors[0].Field != tt.field || p.Errors[0].Message == "" {
				t.Errorf("problem = %+v, want status %d and field %q", p, tt.status, tt.field)
			}
			if answer.Header.Get("Set-Cookie") != "" || answer.Header.Get("Location") != "" {
				t.Errorf("header = %v", answer.Header)
			}
		})
	}
	if got := s.log.highest(); got > slog.LevelDebug {
		t.Errorf("bad input logged at %v", got)
	}
	s.expect(t, s.client(t), "POST /api/users/signup", annSecret, 201, "")
}

// sendRaw sends a request as it is: a client of net/http would clean up its path.
func (s *system) sendRaw(t *testing.T, request, media, body string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	head := request + " HTTP/1.1\r\nHost: local\r\nConnection: close\r\n"
	if media != "" {
		head += "Content-Type: " + media + "\r\n"
	}
	head += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, body) // the server may answer, and stop reading, before all is sent
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return answer
}

// TestBadSessions: whatever the cookie, the answer is that nobody is signed in.
func TestBadSessions(t *testing.T) {
	s := start(t)
	sealed := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := json.Marshal(map[string]string{"jwt": token})
		return base64.StdEncoding.EncodeToString(content)
	}
	const id = "65a0000000000000000000aa"
	claims := func(iat int64) jwt.MapClaims {
		return jwt.MapClaims{"id": id, "email": "ann@example.com", "iat": iat}
	}
	fresh, aged := now().Unix(), now().Unix()-3600
	padded := claims(fresh)
	padded["padding"] = strings.Repeat("x", 4096)
	const ann = `{"currentUser":{"id":"65a0000000000000000000aa","email":"ann@example.com","iat":1767322984}}`
	for _, tt := range []struct{ name, cookie, want string }{
		{"control: a good one", sealed(jwt.SigningMethodHS256, []byte(key), claims(fresh)), ann},
		{"forged", sealed(jwt.SigningMethodHS256, []byte(strings.ToUpper(key)), claims(fresh)), nobody},
		{"expired", sealed(jwt.SigningMethodHS256, []byte(key), claims(aged)), nobody},
		{"none-algorithm", sealed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(fresh)), nobody},
		{"oversized", sealed(jwt.SigningMethodHS256, []byte(key), padded), nobody},
		{"garbage", "%%%", nobody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest("GET", s.URL+"/api/users/currentuser", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", "session="+tt.cookie)
			answer, err := s.client(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			if got := strings.TrimSpace(string(body)); answer.StatusCode != 200 || got != tt.want {
				t.Errorf("answer = %d %s, want 200 %s", answer.StatusCode, got, tt.want)
			}
		})
	}
	if got := s.log.highest(); got > slog.LevelDebug {
		t.Errorf("bad sessions logged at %v", got)
	}
}
