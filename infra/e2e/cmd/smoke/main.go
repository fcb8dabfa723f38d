// Command smoke walks once through a system that is running and says what works. Its image is what
// `skaffold verify` runs in the cluster; `go run ./infra/e2e/cmd/smoke` does the same from outside.
package main

import (
	"context"
	"log/slog"
	"time"

	"ticketing/infra/e2e/story"
	"ticketing/pkg/app"
)

// patience is how long the whole walk may take.
const patience = 5 * time.Minute

type config struct {
	// BaseURL is scheme and host as browsers see them.
	BaseURL string `envconfig:"BASE_URL" default:"http://ticketing.localhost"`
	// ConnectTo is a host:port to connect to instead of what that host resolves to.
	ConnectTo string `envconfig:"CONNECT_TO"`
}

func main() { app.Main("smoke", run) }

func run(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[config]()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	front := story.Front{BaseURL: cfg.BaseURL, ConnectTo: cfg.ConnectTo}
	return story.Walk(ctx, front, func(step string) { log.Info(step) })
}
