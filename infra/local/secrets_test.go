package local

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/store"
)

// The secrets of these tests.
const (
	secretKey      = "key-of-the-sessions-0123456789abcdef"
	secretPassword = "password-of-a-user"
	secretGuess    = "guess-of-a-password"
	secretBroker   = "password-of-the-broker"
	secretStore    = "password-of-the-store"
)

// record keeps all that was logged and answered. It may be written concurrently.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(data)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// leaks returns the places where a secret stands in text, in any of the forms that programs write one in.
func leaks(text string, secrets ...string) (found []string) {
	for _, secret := range secrets {
		for _, form := range []string{
			secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		} {
			if at := strings.Index(text, form); at >= 0 {
				found = append(found, text[max(0, at-200):min(len(text), at+len(form)+50)])
			}
		}
	}
	return found
}

// listening is a client's transport that keeps every answer, but for the cookie that is the client's own.
type listening struct {
	http.RoundTripper
	into *record
}

func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if err := answer.Body.Close(); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	header := answer.Header.Clone()
	header.Del("Set-Cookie")
	fmt.Fprintf(l.into, "%s %s %s %v %s\n", r.Method, r.URL.Path, answer.Status, header, body)
	return answer, nil
}

func TestLeaksAreFound(t *testing.T) {
	for name, line := range map[string]string{
		"as it is":  `{"password":"` + secretPassword + `"}`,
		"in a URL":  "mongodb://u:" + secretPassword + "@h",
		"in base64": base64.StdEncoding.EncodeToString([]byte(secretPassword)),
		"in hex":    hex.EncodeToString([]byte(secretPassword)),
		"as bytes":  fmt.Sprint(struct{ b []byte }{[]byte(secretPassword)}),
	} {
		if found := leaks("before "+line+" after", secretKey, secretPassword); len(found) == 0 {
			t.Errorf("%s: not found in %s", name, line)
		}
	}
	if found := leaks("nothing", secretPassword); found != nil {
		t.Errorf("found %q", found)
	}
}

// Nothing that is secret is in a log at debug or in an answer, whatever goes right or wrong.
func TestSecretsAreNeverTold(t *testing.T) {
	var told record
	cfg := testConfig(t)
	cfg.JWTKey = secretKey
	cfg.Credentials = stan.Credentials{User: "services", Password: secretBroker}
	s, stop := startSystem(t, cfg, told.logger())

	session := liveWithMistakes(t, s, &told)
	knockAtTheBroker(t, s, &told)
	for _, m := range s.members { // what each says of itself
		for _, path := range []string{"/readyz", "/metrics", "/parked", "/gaps"} {
			answer := httptest.NewRecorder()
			m.service.AdminHandler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
			fmt.Fprintln(&told, answer.Body)
		}
	}
	stop()
	for _, line := range []string{`"msg":"request"`, `"msg":"request refused"`, `"service":"nats"`, "Invalid credentials", `"iat"`} {
		if !strings.Contains(told.String(), line) {
			t.Errorf("the record lacks %s: the test has seen nothing", line)
		}
	}
	secrets := append([]string{secretKey, secretPassword, secretGuess, secretBroker, "$2a$"}, session...)
	for _, leak := range leaks(told.String(), secrets...) {
		t.Errorf("told: ...%s...", leak)
	}
}

// liveWithMistakes does what people do, right and wrong, and returns the secrets of a session.
func liveWithMistakes(t *testing.T, s *System, told *record) []string {
	t.Helper()
	alice := signUp(t, s, "alice") // with a password of no interest
	alice.client.Transport = listening{alice.client.Transport, told}
	credentials := func(password string) map[string]string {
		return map[string]string{"email": "carol@example.com", "password": password}
	}
	alice.must("POST", "/api/users/signup", credentials(secretPassword), http.StatusCreated, nil)
	alice.must("POST", "/api/users/signup", credentials(secretPassword), http.StatusConflict, nil)
	alice.must("POST", "/api/users/signin", credentials(secretGuess), http.StatusBadRequest, nil)
	alice.must("POST", "/api/users/signin", map[string]string{"email": secretGuess, "password": secretGuess}, http.StatusBadRequest, nil)
	alice.must("POST", "/api/users/signin", []string{secretGuess}, http.StatusBadRequest, nil)
	alice.must("POST", "/api/users/signin", map[string]any{"email": 1, "password": []string{secretGuess}}, http.StatusBadRequest, nil)
	alice.must("POST", "/api/users/signin", credentials(secretPassword), http.StatusOK, nil)
	for range 12 {
		if _, err := alice.do("POST", "/api/users/signin", credentials(secretGuess), nil); err != nil {
			t.Fatal(err)
		}
	}
	alice.must("GET", "/api/users/currentuser", nil, http.StatusOK, nil)

	var sold ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	alice.must("POST", "/api/tickets", draft("", -1), http.StatusBadRequest, nil)
	alice.must("GET", "/api/tickets/no-id", nil, http.StatusBadRequest, nil)
	awaitReplica(t, s, sold)
	var mine order
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusCreated, &mine)
	alice.must("DELETE", "/api/orders/"+string(mine.ID), nil, http.StatusNoContent, nil)

	cookie := alice.cookie("session")
	sendRaw(t, s, "POST /api/orders HTTP/1.1\r\nHost: local\r\nContent-Length: 0\r\nCookie: session="+cookie+"x\r\n\r\n")
	sendRaw(t, s, "GARBAGE "+cookie+"\r\n\r\n")
	return []string{cookie, tokenIn(t, cookie)}
}

// cookie is the value of one of the user's cookies.
func (u *user) cookie(name string) string {
	u.t.Helper()
	base, err := url.Parse(u.base)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, c := range u.client.Jar.Cookies(base) {
		if c.Name == name {
			return c.Value
		}
	}
	u.t.Fatalf("there is no cookie %s", name)
	return ""
}

// tokenIn is the token in a session cookie.
func tokenIn(t *testing.T, cookie string) string {
	t.Helper()
	content, err := base64.StdEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ JWT string }
	if err := json.Unmarshal(content, &envelope); err != nil || envelope.JWT == "" {
		t.Fatalf("no token in %s: %v", content, err)
	}
	return envelope.JWT
}

// sendRaw sends what no client of net/http would.
func sendRaw(t *testing.T, s *System, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has come, so it was looked at
		t.Fatal(err)
	}
}

// knockAtTheBroker finds that nobody comes in without the credentials, and what both sides say of that.
func knockAtTheBroker(t *testing.T, s *System, told *record) {
	t.Helper()
	for _, credentials := range []stan.Credentials{{}, {User: "services", Password: secretGuess}, {Token: secretBroker}} {
		config := s.busConfig("stranger", s.NATSURL())
		config.Credentials = credentials
		conn, err := config.Open(told.logger())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the broker refuses a stranger", func() bool {
			return strings.Contains(conn.Health().Reason, "refuses the credentials")
		})
		fmt.Fprintln(told, conn.Health().Reason)
		if err := app.CloseBus(conn); err != nil {
			t.Error(err)
		}
	}
}

// A store with a password that is away, and URIs that cannot be used.
func TestThePasswordOfTheStoreIsNeverTold(t *testing.T) {
	var told record
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	options := "/?serverSelectionTimeoutMS=50&connectTimeoutMS=50"
	for _, uri := range []string{
		"mongodb://tickets:" + secretStore + "@" + addr + options,
		"mongodb://tickets:" + secretStore + "@" + addr + options + "&authMechanism=SCRAM-SHA-256&authSource=admin",
		"mongodb://tickets:" + secretStore + "@" + addr + ":x" + options,
		"mongodb://tickets:" + secretStore + "/@" + addr,
		"mongodb://tickets:" + secretStore + "%zz@" + addr,
		"mongodb+srv://tickets:" + secretStore + "@" + addr,
		"http://tickets:" + secretStore + "@" + addr,
		"tickets:" + secretStore + "@" + addr,
	} {
		db, err := app.StoreConfig{MongoURI: uri}.Open("tickets")
		if err != nil {
			fmt.Fprintln(&told, err)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err = db.Collection(ctx, store.Spec{Name: "tickets"})
		if err == nil {
			t.Errorf("%s was reached", uri)
		}
		told.logger().Warn("waiting for the store", "error", err)
		fmt.Fprintln(&told, db.Ping(ctx))
		cancel()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(told.String(), addr) || !strings.Contains(told.String(), "MONGO_URI") {
		t.Errorf("neither an address nor the variable is told: %s", told.String())
	}
	for _, leak := range leaks(told.String(), secretStore) {
		t.Errorf("told: ...%s...", leak)
	}
}
