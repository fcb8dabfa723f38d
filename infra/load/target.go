package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"ticketing/infra/local"
	"ticketing/pkg/app"
)

// target is the system under load.
type target struct {
	gateway string
	// backlog is nil where the system is not in this process: then only answers are measured.
	backlog *backlog
	close   func() error
}

// openTarget starts a system in this process, or takes the one that o names. Warnings of the system go to
// progress. The caller calls close.
func openTarget(ctx context.Context, o options, progress io.Writer) (_ *target, err error) {
	if o.target != "" {
		return &target{gateway: o.target, close: func() error { return nil }}, nil
	}
	dir, err := os.MkdirTemp("", "ticketing-load-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	app.AllowForSyncs(local.SyncedFiles) // as `make run` does
	const free = "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
	system, err := local.Start(ctx, local.Config{
		GatewayAddr: free, NATSAddr: free, MonitorAddr: free, AdminAddr: free, DataDir: dir,
		SessionTTL: 24 * time.Hour, OrderWindow: time.Hour,
	}, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the system: %w", err), os.RemoveAll(dir))
	}
	events, err := newBacklog(system.AdminURL(), system.MonitorURL())
	if err != nil {
		return nil, errors.Join(err, system.Stop(), os.RemoveAll(dir))
	}
	serving, stop := context.WithCancel(context.Background()) // close ends it, after the load
	ended := make(chan error, 1)
	go func() { ended <- system.Run(serving) }()
	return &target{gateway: system.GatewayURL(), backlog: events, close: func() error {
		events.close()
		stop()
		return errors.Join(<-ended, os.RemoveAll(dir))
	}}, nil
}
