package auth_test

import (
	"log/slog"
	"testing"

	"ticketing/pkg/service/servicetest"
)

// FuzzCredentials sends any body to the routes that take an e-mail and a password. Whoever can sign up with it
// can sign in with it, and not sign up again; everything else is refused as the client's fault. The log never complains.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{
		annSecret, `{"email":" ANN@Example.com","password":"secret"}`, `{"email":"a@b.cd","password":"\u0000\u0000\u0000\u0000"}`,
		`{"email":"a@b.cd","password":"\u0000"}`, // once bcrypt's all zeros as well, and signed in with the one above
		`{"email":"a@b.cd","password":["secret"]}`, `{"email":{"$ne":""},"password":"secret"}`, `{"Email":"a@b.cd"}`,
		`{"email":"ann@xn--bcher-kva.example","password":"pässwörd"}`, `{"email":"\"a b\"@c.de","password":"secret"}`, `[]`, ``,
	} {
		f.Add(seed)
	}
	s := start(f)
	routes := s.service.Handler()
	f.Fuzz(func(t *testing.T, body string) {
		send := func(route string) servicetest.Answer {
			return servicetest.Call(t, routes, servicetest.Request{Line: "POST /api/users/" + route, Media: servicetest.JSON, Body: body})
		}
		if up := send("signup"); up.Status == 201 {
			if in := send("signin"); in.Status != 200 || in.Body != up.Body || in.Header.Get("Set-Cookie") == "" {
				t.Errorf("sign-in = %d %s, sign-up was %s", in.Status, in.Body, up.Body)
			}
			send("signup").CheckRefused(t, 409)
		} else {
			up.CheckRefused(t, 400, 409, 413) // 409: an earlier body had the e-mail
			if up.Status != 409 {
				send("signin").CheckRefused(t, 400, 413)
			}
		}
		if got := s.log.highest(); got > slog.LevelDebug {
			t.Errorf("logged at %v", got)
		}
	})
}
