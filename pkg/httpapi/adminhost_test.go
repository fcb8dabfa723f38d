package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"ticketing/pkg/httpapi"
)

// A page of evil.example whose name now resolves to the admin listener is of the same origin as that listener.
func TestAdminRefusesNames(t *testing.T) {
	admin := httpapi.Admin()
	admin.Post("/rebuild", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for _, tt := range []struct {
		host   string
		direct bool
	}{
		{"127.0.0.1:8081", true},
		{"127.0.0.1", true},
		{"10.244.1.7:3001", true}, // the probe of a pod
		{"0.0.0.0:8081", true},
		{"[::1]:8081", true},
		{"[::1]", true},
		{"[fd00::7]:3001", true},
		{"[::ffff:127.0.0.1]:8081", true},
		{"[fe80::1%eth0]:8081", true},
		{"localhost:8081", true},
		{"localhost", true},
		{"LocalHost:8081", true},
		{"localhost.", true},
		{"localhost.:8081", true},
		{"orders.localhost:8081", true},
		{"Orders.LOCALHOST.:8081", true},
		{"", true}, // HTTP/1.0 without a Host

		{"evil.example", false},
		{"evil.example:8081", false},
		{"EVIL.EXAMPLE.:8081", false},
		{"orders-srv.default.svc.cluster.local:3001", false},
		{"orders-srv", false},
		{"localhost.evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"127.0.0.1.nip.io:8081", false},
		{"notlocalhost", false},
		{"localhost@evil.example", false},
		{"localhost:80@evil.example", false},
		{"127.0.0.1@evil.example", false},
		{"localhost:8081:8081", false},
		{"127.0.0.1:8081.evil.example", false},
		{"[evil.example]:8081", false},
		{"[::1].evil.example", false},
		{"[::1", false},
		// what some resolvers take for 127.0.0.1 is a name here
		{"127.1", false},
		{"127.1:8081", false},
		{"2130706433", false},
		{"0x7f000001", false},
		{"0x7f.0.0.1", false},
		{"0177.0.0.1", false},
		{"127.0.0.01", false},
		{"127.0.0.1.", false},
		{"0", false},
		{".", false},
		{":8081", false},
		{" 127.0.0.1", false},
		{"127.0.0.1 ", false},
	} {
		for _, request := range []string{"GET /healthz", "GET /readyz", "HEAD /healthz", "GET /nowhere", "PUT /healthz", "POST /rebuild"} {
			w := ask(admin, request, tt.host)
			if refused := w.Code == http.StatusMisdirectedRequest; refused == tt.direct {
				t.Errorf("Host %q: %s = %d, want it refused: %t", tt.host, request, w.Code, !tt.direct)
			}
		}
	}
	problemIn(t, ask(admin, "GET /readyz", "evil.example").Result())
}

// ask sends a request from a page of the host itself, as a browser does.
func ask(h http.Handler, request, host string) *httptest.ResponseRecorder {
	r := adminRequest(request)
	r.Host = host
	r.Header.Set("Origin", "http://"+host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
