package web

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/httpapi"
)

// policy lets a page load what this service serves, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// stripePolicy also lets a page load Stripe's card fields.
const stripePolicy = "default-src 'none'; style-src 'self'; script-src 'self' https://js.stripe.com; img-src 'self'; " +
	"connect-src 'self' https://api.stripe.com; frame-src https://js.stripe.com https://hooks.stripe.com; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// site answers people.
type site struct {
	api       *api
	log       *slog.Logger
	now       func() time.Time
	templates map[string]*template.Template
	viewers   chan struct{} // one for each who watches something live
}

func (s *site) routes() http.Handler {
	r := httpapi.NewPageRouter(s.log, policy, s.fail)
	r.Get("/", s.handle(s.tickets))
	r.Get("/tickets/{id}", s.handle(s.ticket))
	r.Post("/tickets/{id}/order", s.handle(s.placeOrder))
	r.Get("/tickets/{id}/edit", s.handle(s.editForm))
	r.Post("/tickets/{id}/edit", s.handle(s.edit))
	r.Get("/sell", s.handle(s.sellForm))
	r.Post("/sell", s.handle(s.sell))
	r.Get("/mine", s.handle(s.mine))
	r.Get("/orders", s.handle(s.orders))
	r.Get("/orders/{id}", s.handle(s.order))
	r.Post("/orders/{id}/cancel", s.handle(s.cancel))
	r.Post("/orders/{id}/pay", s.handle(s.pay))
	r.Get("/signin", s.handle(s.signInForm))
	r.Post("/signin", s.handle(s.signIn))
	r.Get("/signup", s.handle(s.signUpForm))
	r.Post("/signup", s.handle(s.signUp))
	r.Post("/signout", s.handle(s.signOut))
	r.Get("/live/tickets", s.handle(s.liveTickets))
	r.Get("/live/orders/{id}", s.handle(s.liveOrder))
	r.Get("/assets/*", s.asset)
	return r
}

// asset answers with a file that changes only with the program.
func (*site) asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	http.FileServerFS(assets).ServeHTTP(w, r)
}

// handle makes a handler of one that may fail.
func (s *site) handle(h httpapi.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail answers a request that cannot be done: who is not signed in is asked to, all others are told what is wrong.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, "/api/") { // a client of the API has mistaken a path
		httpapi.WriteProblem(w, err)
		return
	}
	status := httpapi.StatusOf(err)
	if refused := statusOf(err); refused != 0 {
		status = refused
	} else if status == http.StatusInternalServerError {
		status = http.StatusServiceUnavailable // another service cannot be reached, or makes no sense
	}
	switch {
	case errors.Is(err, context.Canceled):
		return // the visitor has gone
	case status == http.StatusUnauthorized:
		http.Redirect(w, r, "/signin?return="+url.QueryEscape(wayBack(r)), http.StatusSeeOther)
		return
	case status >= http.StatusInternalServerError:
		s.log.Warn("a page could not be made", "method", r.Method, "path", r.URL.Path, "status", status, "error", err)
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "2")
	}
	problem := problemPage{Status: status, Text: words(status)}
	var refused *refusal
	if errors.As(err, &refused) && status < http.StatusInternalServerError && len(refused.Errors) > 0 {
		problem.Detail = refused.Errors[0].Message
	}
	v := view{Title: problem.Text, Here: "/", Page: problem}
	if err := s.render(w, status, "error", v); err != nil {
		s.log.Error("the error page could not be made", "error", err)
		http.Error(w, problem.Text, status)
	}
}

// problemPage is the content of an error page.
type problemPage struct {
	Status       int
	Text, Detail string
}

func words(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing here"
	case http.StatusForbidden:
		return "This is not yours"
	case http.StatusConflict:
		return "That is no longer possible"
	case http.StatusTooManyRequests:
		return "Too many attempts; wait a moment"
	case http.StatusMethodNotAllowed:
		return "This page cannot do that"
	case http.StatusServiceUnavailable:
		return "We cannot answer right now; try again in a moment"
	}
	return "That did not work"
}

// wayBack is where somebody goes on after signing in: to the page of the form that was sent, or to this page.
func wayBack(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	return local(r.PostFormValue("return"))
}

// local returns a path of this site, and / for anything else.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		return "/"
	}
	return path
}

// see answers a form that was done: the browser goes on to a page, which can be loaded again.
func see(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// page starts a view with who is looking.
func (s *site) page(w http.ResponseWriter, r *http.Request, title string) (view, error) {
	visitor, err := s.api.currentUser(w, r)
	return view{Title: title, User: visitor, Here: r.URL.RequestURI()}, err
}

// ownPage is page for who is signed in.
func (s *site) ownPage(w http.ResponseWriter, r *http.Request, title string) (view, error) {
	v, err := s.page(w, r, title)
	if err == nil && v.User == nil {
		err = &refusal{Status: http.StatusUnauthorized}
	}
	return v, err
}

// typed is what was typed into a form. Passwords are not among it.
func typed(r *http.Request, fields ...string) form {
	f := form{Values: map[string]string{}}
	for _, field := range fields {
		f.Values[field] = r.PostFormValue(field)
	}
	return f
}

// again shows a form once more with what is wrong.
func (s *site) again(w http.ResponseWriter, err error, name string, v view) error {
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		w.Header().Set("Retry-After", "2")
	}
	return s.render(w, status, name, v)
}

func id(r *http.Request) string { return chi.URLParam(r, "id") }
