package local

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ticketing/pkg/app"
)

// What is for those who run the system is not for the public, at the gateway or behind it.
func TestAdminRoutesAreNotPublic(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	public := []http.Handler{s.gateway}
	for _, m := range s.members {
		public = append(public, m.service.Handler())
	}
	session := &http.Cookie{Name: "session", Value: signUp(t, s, "alice").cookie("session")}
	for _, handler := range public {
		for _, path := range []string{
			"/healthz", "/readyz", "/metrics", "/parked", "/gaps", "/verify", "/debug/pprof/", "/api/orders/../../readyz",
			"/streaming/channelsz",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				r := httptest.NewRequest(method, "http://tickets.example/", nil)
				r.URL.Path = path
				r.AddCookie(session)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusNotFound {
					t.Errorf("%s %s = %d, want 404", method, path, w.Code)
				}
			}
		}
	}
}

// Each service answers the person on call under its own name, and no page whose name resolves to this machine.
func TestAdminRoutesOfEachService(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	for _, name := range []string{"auth", "tickets", "orders", "payments", "expiration", "web"} {
		w := httptest.NewRecorder()
		s.oncall.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/"+name+"/readyz", nil))
		if w.Code != http.StatusOK {
			t.Errorf("/%s/readyz = %d %s", name, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		s.oncall.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://evil.example/"+name+"/readyz", nil))
		if w.Code != http.StatusMisdirectedRequest {
			t.Errorf("/%s/readyz of evil.example = %d, want 421", name, w.Code)
		}
	}
}

// The broker's log is on the volume that was named, and the services tell how long it will do.
func TestServicesKnowTheVolume(t *testing.T) {
	t.Setenv("BROKER_VOLUME", "1Gi")
	cfg, err := app.LoadConfig[Config]()
	if err != nil {
		t.Fatal(err)
	}
	given := testConfig(t)
	given.Volume = cfg.Volume
	s, _ := startSystem(t, given, discard())
	for _, name := range []string{"tickets", "orders", "payments", "expiration"} {
		w := httptest.NewRecorder()
		s.oncall.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/"+name+"/metrics", nil))
		if want := "ticketing_broker_volume_bytes 1.073741824e+09\n"; !strings.Contains(w.Body.String(), want) {
			t.Errorf("metrics of %s lack %q", name, want)
		}
	}
}

// A page of another site can make a browser send any of these, with the user's cookie.
func TestOtherSitesCannotActForAUser(t *testing.T) {
	s, _ := startSystem(t, testConfig(t), discard())
	alice := signUp(t, s, "alice")
	var sold ticket
	alice.must("POST", "/api/tickets", draft("concert", 20), http.StatusCreated, &sold)
	awaitReplica(t, s, sold)
	var mine order
	alice.must("POST", "/api/orders", map[string]any{"ticketId": sold.ID}, http.StatusCreated, &mine)

	send := func(line, body, media string, header http.Header) int {
		method, path, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(method, "http://tickets.example"+path, strings.NewReader(body))
		r.Header = header.Clone()
		r.Header.Set("Content-Type", media)
		r.AddCookie(&http.Cookie{Name: "session", Value: alice.cookie("session")})
		w := httptest.NewRecorder()
		s.gateway.ServeHTTP(w, r)
		return w.Code
	}
	ticketBody := `{"title":"stolen","price":1}`
	for _, route := range []struct {
		line, body string
		takesBody  bool
	}{
		{"POST /api/users/signup", `{"email":"mallory@example.com","password":"secret"}`, true},
		{"POST /api/users/signin", `{"email":"alice@example.com","password":"secret"}`, true},
		{"POST /api/users/signout", ``, false},
		{"POST /api/tickets", ticketBody, true},
		{"PUT /api/tickets/" + string(sold.ID), ticketBody, true},
		{"POST /api/orders", `{"ticketId":"` + string(sold.ID) + `"}`, true},
		{"DELETE /api/orders/" + string(mine.ID), ``, false},
	} {
		for name, header := range map[string]http.Header{
			"another site":           {"Sec-Fetch-Site": {"cross-site"}},
			"another host of ours":   {"Sec-Fetch-Site": {"same-site"}},
			"an old browser":         {"Origin": {"https://evil.example"}},
			"a page without a name":  {"Origin": {"null"}},
			"another port of ours":   {"Origin": {"http://tickets.example:8443"}},
			"a host that looks ours": {"Origin": {"http://tickets.example.evil.example"}},
		} {
			if got := send(route.line, route.body, "application/json", header); got != http.StatusForbidden {
				t.Errorf("%s from %s = %d, want 403", route.line, name, got)
			}
		}
		// what a form of any page can send, also where the browser tells nothing of its origin
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
			if got := send(route.line, route.body, media, http.Header{}); route.takesBody && got != http.StatusUnsupportedMediaType {
				t.Errorf("%s as %s = %d, want 415", route.line, media, got)
			}
		}
		if !route.takesBody {
			continue
		}
		if got := send(route.line, route.body, "application/json", http.Header{"Origin": {"http://tickets.example"}}); got == http.StatusForbidden {
			t.Errorf("%s from our own page = 403", route.line)
		}
	}
}
