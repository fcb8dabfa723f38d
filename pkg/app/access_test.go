package app_test

import (
	"log/slog"
	"strings"
	"testing"

	"ticketing/pkg/app"
)

func TestTheBrokersDemandsComeFromTheEnvironment(t *testing.T) {
	for variable, want := range map[string]string{
		"NATS_USER":     "user and password go together",
		"NATS_PASSWORD": "user and password go together",
		"NATS_TLS_CA":   "read the CA: open hidden",
		"NATS_TLS_CERT": "certificate and key go together",
		"NATS_TLS_KEY":  "certificate and key go together",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("NATS_CLIENT_ID", "orders-0")
			t.Setenv(variable, "hidden")
			cfg, err := app.LoadConfig[app.BusConfig]()
			if err != nil {
				t.Fatal(err)
			}
			_, err = cfg.Open(slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Open = %v, want an error with %q", err, want)
			}
		})
	}
	t.Run("NATS_TOKEN", func(t *testing.T) {
		t.Setenv("NATS_CLIENT_ID", "orders-0")
		t.Setenv("NATS_TOKEN", "hidden")
		if cfg, err := app.LoadConfig[app.BusConfig](); err != nil || cfg.Token != "hidden" {
			t.Errorf("LoadConfig = %v, want the token", err)
		}
	})
}
