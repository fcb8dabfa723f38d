package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
)

const (
	ticketID = "65a1b2c3d4e5f60718293a4b"
	orderID  = "65a1b2c3d4e5f60718293aff"
	seller   = "65a0000000000000000000aa"
)

// world is the page in front of services whose answers a test decides.
type world struct {
	handler http.Handler
	answers map[string]func(http.ResponseWriter, *http.Request) // by method and path
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{answers: map[string]func(http.ResponseWriter, *http.Request){}}
	w.answer("GET /api/users/currentuser", 200, fmt.Sprintf(`{"currentUser":{"id":%q,"email":"ann@example.com"}}`, seller))
	w.answer("GET /api/tickets", 200, `[]`)
	services := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		answer, ok := w.answers[r.Method+" "+r.URL.Path]
		if !ok {
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprint(rw, `{"errors":[{"message":"no such thing"}]}`)
			return
		}
		answer(rw, r)
	}))
	t.Cleanup(services.Close)
	s, err := service.Open(t.Context(), service.Deps{Name: Name, Log: (&servicetest.Log{}).Logger(), Now: servicetest.Now}, New, At(services.URL))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	w.handler = s.Handler()
	return w
}

func (w *world) answer(line string, status int, body string) {
	w.answers[line] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		fmt.Fprint(rw, body)
	}
}

// ask asks for a page, as somebody who is signed in if session is true; form is sent if there is one.
func (w *world) ask(t *testing.T, method, path string, session bool, form url.Values) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "http://ticketing.localhost"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if session {
		r.AddCookie(&http.Cookie{Name: "session", Value: "of ann's"})
	}
	return w.send(r)
}

func (w *world) send(r *http.Request) *http.Response {
	rw := httptest.NewRecorder()
	w.handler.ServeHTTP(rw, r)
	return rw.Result()
}

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func ticketJSON(title, status string) string {
	return fmt.Sprintf(`{"id":%q,"title":%q,"price":78.4,"userId":"65a0000000000000000000bb","version":3,"status":%q}`, ticketID, title, status)
}

func TestPagesAreForPeopleAndNobodyElsesScripts(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /api/tickets", 200, "["+ticketJSON(`<script>alert(1)</script>`, "free")+"]")
	answer := w.ask(t, "GET", "/", false, nil)
	body := text(t, answer)
	if answer.StatusCode != 200 || !strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(body, "<script>alert") || !strings.Contains(body, "$78.40") {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := answer.Header.Get(header); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", header, got)
		}
	}
	if policy := answer.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %s", policy)
	}
	for path, media := range map[string]string{"/assets/style.css": "text/css", "/assets/live.js": "text/javascript", "/assets/icon.svg": "image/svg+xml"} {
		if asset := w.ask(t, "GET", path, false, nil); asset.StatusCode != 200 || !strings.HasPrefix(asset.Header.Get("Content-Type"), media) {
			t.Errorf("%s: %d %v", path, asset.StatusCode, asset.Header)
		}
	}
}

func TestErrorPages(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /api/tickets/away", 503, `{"errors":[{"message":"temporarily unavailable"}]}`)
	w.answer("GET /api/tickets/strange", 200, `nonsense`)
	w.answer("GET /api/tickets/broken", 500, `{"errors":[{"message":"a secret"}]}`)
	w.answer("GET /api/orders/foreign", 403, `{"errors":[{"message":"this order belongs to somebody else"}]}`)
	for _, tt := range []struct {
		line   string
		status int
		words  string
	}{
		{"GET /nothing", 404, "There is nothing here"},
		{"GET /tickets/unknown", 404, "no such thing"},
		{"GET /tickets/away", 503, "try again in a moment"},
		{"GET /tickets/strange", 503, "try again in a moment"},
		{"GET /tickets/broken", 503, "try again in a moment"},
		{"GET /orders/foreign", 403, "belongs to somebody else"},
		{"DELETE /sell", 405, "This page cannot do that"},
		{"GET /tickets//x", 404, "There is nothing here"},
	} {
		method, path, _ := strings.Cut(tt.line, " ")
		answer := w.ask(t, method, path, true, nil)
		body := text(t, answer)
		if answer.StatusCode != tt.status || !strings.Contains(body, tt.words) || strings.Contains(body, "secret") ||
			!strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v %s", tt.line, answer.StatusCode, answer.Header, body)
		}
	}
	if answer := w.ask(t, "GET", "/api/nothing", false, nil); answer.StatusCode != 404 || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a path of the API: %d %v", answer.StatusCode, answer.Header)
	}
}

// Who is not signed in, or not any more, is asked to, and comes back to a page of this site.
func TestSigningInLeadsBack(t *testing.T) {
	w := newWorld(t)
	w.answer("POST /api/orders", 401, `{"errors":[{"message":"not signed in"}]}`)
	w.answer("POST /api/tickets", 401, `{"errors":[{"message":"not signed in"}]}`)
	for _, tt := range []struct {
		method, path string
		session      bool
		form         url.Values
		want         string
	}{
		{"GET", "/orders?after=x", false, nil, "/orders?after=x"},
		{"GET", "/sell", false, nil, "/sell"},
		{"POST", "/tickets/" + ticketID + "/order", false, url.Values{"return": {"/tickets/" + ticketID}}, "/tickets/" + ticketID},
		{"POST", "/tickets/" + ticketID + "/order", true, url.Values{"return": {"/tickets/" + ticketID}}, "/tickets/" + ticketID},
		{"POST", "/sell", true, url.Values{"title": {"x"}, "price": {"1"}, "return": {"https://evil.example/"}}, "/"},
	} {
		answer := w.ask(t, tt.method, tt.path, tt.session, tt.form)
		if got := answer.Header.Get("Location"); answer.StatusCode != 303 || got != "/signin?return="+url.QueryEscape(tt.want) {
			t.Errorf("%s %s: %d to %q, want to come back to %s", tt.method, tt.path, answer.StatusCode, got, tt.want)
		}
	}
	w.answers["POST /api/users/signin"] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Set-Cookie", "session=new; Path=/; HttpOnly")
		fmt.Fprint(rw, `{}`)
	}
	for given, want := range map[string]string{
		"/orders": "/orders", "": "/", "orders": "/", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/",
	} {
		answer := w.ask(t, "POST", "/signin", false, url.Values{"email": {"a@example.com"}, "password": {"secret"}, "return": {given}})
		if answer.StatusCode != 303 || answer.Header.Get("Location") != want || !strings.HasPrefix(answer.Header.Get("Set-Cookie"), "session=new") {
			t.Errorf("back to %q: %d %v", given, answer.StatusCode, answer.Header)
		}
	}
}

func TestWhatIsWrongStandsBesideItsField(t *testing.T) {
	w := newWorld(t)
	w.answer("POST /api/tickets", 400, `{"errors":[{"message":"must not be empty","field":"title"},{"message":"must be a number","field":"price"}]}`)
	answer := w.ask(t, "POST", "/sell", true, url.Values{"title": {`"><b>`}, "price": {"cheap"}, "key": {"k"}})
	body := text(t, answer)
	for _, want := range []string{`id="title-wrong">must not be empty`, `id="price-wrong">must be a number`, `value="&#34;&gt;&lt;b&gt;"`, `value="cheap"`, `name="key" value="k"`} {
		if answer.StatusCode != 400 || !strings.Contains(body, want) {
			t.Errorf("%d, it lacks %s:\n%s", answer.StatusCode, want, body)
		}
	}
	w.answer("POST /api/users/signup", 400, `{"errors":[{"message":"email in use","field":"email"}]}`)
	answer = w.ask(t, "POST", "/signup", false, url.Values{"email": {"ann@example.com"}, "password": {"a secret"}})
	if body := text(t, answer); answer.StatusCode != 400 || !strings.Contains(body, "email in use") || strings.Contains(body, "a secret") {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// A ticket that was bought while its page was open; a double click; a service that has not heard of the ticket yet.
func TestBuying(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /api/tickets/"+ticketID, 200, ticketJSON("Opera", "reserved"))
	w.answer("POST /api/orders", 409, `{"errors":[{"message":"this ticket is reserved or sold","field":"ticketId"}]}`)
	path, form := "/tickets/"+ticketID+"/order", url.Values{"key": {"one"}}
	answer := w.ask(t, "POST", path, true, form)
	if body := text(t, answer); answer.StatusCode != 409 || !strings.Contains(body, "this ticket is reserved or sold") || !strings.Contains(body, "Opera") {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	var calls atomic.Int64
	w.answers["POST /api/orders"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") != "one" {
			t.Errorf("the key is %q", r.Header.Get("Idempotency-Key"))
		}
		if calls.Add(1) < 4 {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		rw.WriteHeader(http.StatusCreated)
		fmt.Fprintf(rw, `{"id":%q,"status":"created","expiresAt":"2026-01-02T03:19:05.678Z","ticket":{"id":%q,"title":"Opera","price":1}}`, orderID, ticketID)
	}
	for range 2 {
		if answer := w.ask(t, "POST", path, true, form); answer.StatusCode != 303 || answer.Header.Get("Location") != "/orders/"+orderID {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
	}
}

// With an account at Stripe the page has its card fields, and may load them from there, and nothing else.
func TestCardFieldsOfStripe(t *testing.T) {
	w := newWorld(t)
	expires := servicetest.Now().Add(time.Minute).Format("2006-01-02T15:04:05.000Z")
	w.answer("GET /api/orders/"+orderID, 200, fmt.Sprintf(`{"id":%q,"status":"created","expiresAt":%q,"ticket":{"id":%q,"title":"Opera","price":1}}`, orderID, expires, ticketID))
	w.answer("GET /api/payments", 200, `[]`)
	w.answer("GET /api/payments/config", 200, `{"provider":"test","tokens":[{"token":"tok_visa","meaning":"a card that pays"}]}`)
	answer := w.ask(t, "GET", "/orders/"+orderID, true, nil)
	if body := text(t, answer); !strings.Contains(body, "tok_visa") || strings.Contains(body, "stripe") || strings.Contains(answer.Header.Get("Content-Security-Policy"), "stripe") {
		t.Errorf("%v %s", answer.Header, body)
	}
	w.answer("GET /api/payments/config", 200, `{"provider":"stripe","publishableKey":"pk_1"}`)
	answer = w.ask(t, "GET", "/orders/"+orderID, true, nil)
	policy := answer.Header.Get("Content-Security-Policy")
	if body := text(t, answer); !strings.Contains(body, `data-stripe="pk_1"`) || !strings.Contains(policy, "script-src 'self' https://js.stripe.com;") || strings.Contains(policy, "unsafe") {
		t.Errorf("%s %s", policy, body)
	}
}

// Who looks on hears that a payment is on its way, that it was not made after all, and that another one was; not what
// the page shows already. The stream ends with the viewer.
func TestAnOpenOrderIsKeptLive(t *testing.T) {
	w := newWorld(t)
	expires := servicetest.Now().Add(time.Minute).Format("2006-01-02T15:04:05.000Z")
	show := func(status string) func(http.ResponseWriter, *http.Request) {
		return func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"id":%q,"status":%q,"expiresAt":%q,"ticket":{"id":%q,"title":"Opera","price":1}}`, orderID, status, expires, ticketID)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	var looks atomic.Int64
	payments := []string{"", "unknown", "declined", "charged"}
	w.answers["GET /api/orders/"+orderID] = func(rw http.ResponseWriter, r *http.Request) {
		status := "created"
		if looks.Load() >= int64(len(payments)) {
			status = "complete"
		}
		show(status)(rw, r)
	}
	w.answers["GET /api/payments"] = func(rw http.ResponseWriter, _ *http.Request) {
		look := int(looks.Add(1)) - 1
		if look > len(payments) { // seen complete
			leave()
		}
		if status := payments[min(look, len(payments)-1)]; status != "" {
			fmt.Fprintf(rw, `[{"status":%q}]`, status)
			return
		}
		fmt.Fprint(rw, `[]`)
	}
	r := httptest.NewRequestWithContext(ctx, "GET", "http://ticketing.localhost/live/orders/"+orderID, nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "of ann's"})
	stream := text(t, w.send(r))
	rest := stream
	for _, words := range []string{"on its way", "was not made", "on its way", "The ticket is yours"} {
		_, behind, found := strings.Cut(rest, words)
		if !found {
			t.Fatalf("it lacks %q in its turn:\n%s", words, stream)
		}
		rest = behind
	}
}

func TestAnotherSitesFormIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/sell", "/signout", "/orders/" + orderID + "/pay"} {
		r := httptest.NewRequest("POST", "http://ticketing.localhost"+path, strings.NewReader("title=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if answer := w.send(r); answer.StatusCode != 403 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v", path, answer.StatusCode, answer.Header)
		}
	}
}

// How an order stands, in one word, from what orders and payments say of it.
func TestStateOfAnOrder(t *testing.T) {
	now := servicetest.Now()
	for _, tt := range []struct {
		status, payment string
		minutes         int
		want            string
		open            bool
	}{
		{"created", "", 15, "created", true},
		{"created", "declined", 15, "created", true},
		{"created", "unknown", 15, "paying", false},
		{"created", "charged", 15, "paying", false},
		{"created", "", 0, "over", false},
		{"cancelled", "", 15, "cancelled", false},
		{"cancelled", "closed", 15, "cancelled", false},
		{"cancelled", "refunding", 15, "refunding", false},
		{"cancelled", "refunded", 15, "refunded", false},
		{"complete", "charged", 15, "complete", false},
	} {
		p := purchase{Now: now}
		p.Order.Status = tt.status
		p.Order.ExpiresAt.Time = now.Add(time.Duration(tt.minutes) * time.Minute)
		if tt.payment != "" {
			p.Payment = &made{Status: tt.payment}
		}
		if p.State() != tt.want || p.Open() != tt.open {
			t.Errorf("%+v is %s, open %t", tt, p.State(), p.Open())
		}
	}
}
