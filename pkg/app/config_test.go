package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/app"
)

type config struct {
	Addr   string        `envconfig:"DEMO_ADDR" default:"127.0.0.1:8080"`
	Key    string        `envconfig:"DEMO_JWT_KEY" required:"true"`
	Window time.Duration `envconfig:"DEMO_ORDER_WINDOW" default:"15m"`
	Cost   int           `envconfig:"DEMO_PASSWORD_COST" default:"11"`
}

func TestLoadConfig(t *testing.T) {
	t.Setenv("DEMO_JWT_KEY", "secret")
	t.Setenv("DEMO_ORDER_WINDOW", "30s")
	got, err := app.LoadConfig[config]()
	if err != nil {
		t.Fatal(err)
	}
	want := config{Addr: "127.0.0.1:8080", Key: "secret", Window: 30 * time.Second, Cost: 11}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("LoadConfig (-want +got):\n%s", diff)
	}
}

func TestLoadConfigNamesTheVariable(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"missing", nil, "environment: required key DEMO_JWT_KEY missing value"},
		{"no number", map[string]string{"DEMO_JWT_KEY": "x", "DEMO_PASSWORD_COST": "high"},
			`environment variable DEMO_PASSWORD_COST: "high" is not a valid int: invalid syntax`},
		{"no duration", map[string]string{"DEMO_JWT_KEY": "x", "DEMO_ORDER_WINDOW": "15"},
			`environment variable DEMO_ORDER_WINDOW: time: missing unit in duration "15"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			_, err := app.LoadConfig[config]()
			if err == nil || err.Error() != tt.want || strings.Contains(err.Error(), "\n") {
				t.Errorf("LoadConfig = %v, want %s", err, tt.want)
			}
		})
	}
}
