package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"ticketing/pkg/event"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assets embed.FS

// pageNames are the pages that have a template of their own.
func pageNames() []string {
	return []string{"tickets", "ticket", "sell", "mine", "orders", "order", "sign", "error"}
}

// parseTemplates returns each page with the layout around it.
func parseTemplates() (map[string]*template.Template, error) {
	parsed := map[string]*template.Template{}
	for _, name := range pageNames() {
		t, err := template.New("layout.html").Funcs(template.FuncMap{"money": money}).
			ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse the page %s: %w", name, err)
		}
		parsed[name] = t
	}
	return parsed, nil
}

// money shows a price with two decimals.
func money(p event.Price) string { return fmt.Sprintf("$%d.%02d", p/100, p%100) }

// view is what a template is given.
type view struct {
	// Title is the page's.
	Title string
	// User is who is signed in; nil if nobody is.
	User *user
	// Here is the page's own path, to come back to.
	Here string
	// Form is what was typed, and what is wrong with it.
	Form form
	// Page is the page's own content.
	Page any
}

// form is what was typed into a form and what is wrong with it.
type form struct {
	Values map[string]string
	// Errors are by field; those of the form as a whole are under "".
	Errors map[string]string
}

// blame sorts what a service says is wrong by the fields of the form that was sent. It returns err as it is if that is
// about something else: the visitor is not signed in, or the service is broken.
func (f *form) blame(err error, fields ...string) error {
	var refused *refusal
	if !errors.As(err, &refused) || refused.Status == http.StatusUnauthorized || len(refused.Errors) == 0 {
		return err
	}
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	for _, e := range refused.Errors {
		field := ""
		for _, known := range fields {
			if e.Field == known {
				field = known
			}
		}
		message := e.Message
		if before := f.Errors[field]; before != "" {
			message = before + "; " + message
		}
		f.Errors[field] = message
	}
	return nil
}

// render answers with a page. It writes nothing if the page cannot be made.
func (s *site) render(w http.ResponseWriter, status int, name string, v view) error {
	page, err := s.execute(name, "layout.html", v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page) // fails only if the visitor has gone
	return nil
}

// execute makes one part of a page.
func (s *site) execute(name, part string, v any) ([]byte, error) {
	var page bytes.Buffer
	if err := s.templates[name].ExecuteTemplate(&page, part, v); err != nil {
		return nil, fmt.Errorf("make the page %s: %w", name, err)
	}
	return page.Bytes(), nil
}

// statusOf returns the status of a refusal; 0 for any other error and for none.
func statusOf(err error) int {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}
