package web

import (
	"net/http"
	"net/url"
)

// sign is the form to sign up or in.
type sign struct {
	Up     bool
	Return string
}

// Action is where the form is sent.
func (s sign) Action() string {
	if s.Up {
		return "/signup"
	}
	return "/signin"
}

// Other is the path of the other form.
func (s sign) Other() string {
	return sign{Up: !s.Up}.Action() + "?return=" + url.QueryEscape(s.Return)
}

func (s sign) title() string {
	if s.Up {
		return "Sign up"
	}
	return "Sign in"
}

func (s *site) signUpForm(w http.ResponseWriter, r *http.Request) error {
	return s.signForm(w, r, sign{true, local(r.URL.Query().Get("return"))})
}

func (s *site) signInForm(w http.ResponseWriter, r *http.Request) error {
	return s.signForm(w, r, sign{false, local(r.URL.Query().Get("return"))})
}

func (s *site) signForm(w http.ResponseWriter, r *http.Request, page sign) error {
	v, err := s.page(w, r, page.title())
	if err != nil {
		return err
	}
	v.Page = page
	return s.render(w, http.StatusOK, "sign", v)
}

func (s *site) signUp(w http.ResponseWriter, r *http.Request) error { return s.sign(w, r, true) }
func (s *site) signIn(w http.ResponseWriter, r *http.Request) error { return s.sign(w, r, false) }

// sign signs somebody up or in, and goes on to where that was asked for.
func (s *site) sign(w http.ResponseWriter, r *http.Request, up bool) error {
	page := sign{up, local(r.PostFormValue("return"))}
	err := s.api.do(w, r, call{method: http.MethodPost, url: s.api.UsersURL + "/api/users" + page.Action(), body: map[string]string{
		"email": r.PostFormValue("email"), "password": r.PostFormValue("password"),
	}}, nil)
	if err == nil {
		return see(w, r, page.Return)
	}
	v := view{Title: page.title(), Here: page.Action(), Form: typed(r, "email"), Page: page}
	if err := v.Form.blame(err, "email", "password"); err != nil {
		return err
	}
	return s.again(w, err, "sign", v)
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.api.do(w, r, call{method: http.MethodPost, url: s.api.UsersURL + "/api/users/signout", body: struct{}{}}, nil); err != nil {
		return err
	}
	return see(w, r, "/")
}
