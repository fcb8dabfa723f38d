// Package web is the page for people: tickets are sold, bought and paid here. It keeps nothing and decides nothing. Each
// page is made of what the other services answer to the visitor's own session, and each form becomes one request to them.
//
//	browser ──> pages.go (routes) ──> tickets.go, orders.go, users.go ──> api.go ──> HTTP of the other services
//	               │                        └──> render.go ──> templates
//	               └──> live.go: what changes while somebody looks at it, as server-sent events
//
// Everything works without script, but for the countdown of an order and the live changes.
package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"ticketing/pkg/service"
)

// Name is the service's.
const Name = "web"

// Config is the addresses at which the other services answer. The paths below are those of the API.
type Config struct {
	UsersURL    string `envconfig:"USERS_URL" default:"http://auth-srv:3000"`
	TicketsURL  string `envconfig:"TICKETS_URL" default:"http://tickets-srv:3000"`
	OrdersURL   string `envconfig:"ORDERS_URL" default:"http://orders-srv:3000"`
	PaymentsURL string `envconfig:"PAYMENTS_URL" default:"http://payments-srv:3000"`
}

// At is the configuration for a gateway that answers for all services.
func At(gateway string) Config { return Config{gateway, gateway, gateway, gateway} }

// Check reports a URL that is none.
func (c Config) Check() error {
	for variable, given := range map[string]string{
		"USERS_URL": c.UsersURL, "TICKETS_URL": c.TicketsURL, "ORDERS_URL": c.OrdersURL, "PAYMENTS_URL": c.PaymentsURL,
	} {
		u, err := url.Parse(given)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%s: must be a URL such as http://tickets-srv:3000, not %q", variable, given)
		}
	}
	return nil
}

// patience is how long one answer of another service is waited for.
const patience = 8 * time.Second

// New is the service's service.Build.
func New(_ context.Context, s *service.Service, cfg Config) error {
	templates, err := parseTemplates()
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	site := &site{
		api: &api{cfg, &http.Client{Transport: transport, Timeout: patience, CheckRedirect: noRedirect}},
		log: s.Log, now: s.Now, templates: templates, viewers: make(chan struct{}, maxViewers),
	}
	s.Background(func(ctx context.Context) error {
		<-ctx.Done()
		transport.CloseIdleConnections()
		return nil
	})
	s.Routes(site.routes())
	return nil
}
