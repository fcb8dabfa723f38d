package oncall_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// -1 stands for "no version" inside the program. A person who asks for it has made a mistake.
func TestResyncTakesNoVersionBelowZero(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		query  string
		status int
	}{
		{"?ahead=-1", 400},
		{"?ahead=-2", 400},
		{"?ahead=1.5", 400},
		{"?ahead=9223372036854775808", 400},
		{"?ahead=soon", 400},
		{"?ahead=0", 200},
		{"", 200},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/replicas/ticket/resync"+tt.query, strings.NewReader(version0))
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%q = %d %s, want %d", tt.query, w.Code, w.Body, tt.status)
		}
		if refused := strings.Contains(w.Body.String(), `"field":"ahead"`); refused != (tt.status == 400) {
			t.Errorf("%q = %s", tt.query, w.Body)
		}
		// and what is refused changes nothing
		stored := s.ask("GET", "/replicas/ticket/65a1b2c3d4e5f60718293a4b", nil) == http.StatusOK
		if stored != (tt.status == 200) {
			t.Errorf("%q: the replica is stored: %t", tt.query, stored)
		}
	}
}
