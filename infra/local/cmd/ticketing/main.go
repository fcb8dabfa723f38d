// Command ticketing runs the whole system in one process, with nothing installed: `make run`.
package main

import (
	"context"
	"fmt"
	"log/slog"

	"ticketing/infra/local"
	"ticketing/pkg/app"
)

func main() { app.Main("ticketing", run) }

func run(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[local.Config]()
	if err != nil {
		return err
	}
	app.AllowForSyncs(local.SyncedFiles)
	system, err := local.Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	fmt.Printf("ready page=%s/ gateway=%s nats=%s monitoring=%s admin=%s data=%s\n",
		system.GatewayURL(), system.GatewayURL(), system.NATSURL(), system.MonitorURL(), system.AdminURL(), cfg.DataDir)
	return system.Run(ctx)
}
