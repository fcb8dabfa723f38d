package app

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/kelseyhightower/envconfig"
)

// LoadConfig reads a T, a struct with the tags of github.com/kelseyhightower/envconfig, from the
// environment:
//
//	type config struct {
//		Addr   string        `envconfig:"ADDR" default:"127.0.0.1:8080"`
//		JWTKey string        `envconfig:"JWT_KEY" required:"true"`
//		Window time.Duration `envconfig:"ORDER_WINDOW" default:"15m"`
//	}
//
// An error names the variable that is missing or cannot be read, in one line. It tells the value only
// where that is a number or a duration, never a secret; the error of a type's own UnmarshalText or
// Decode is passed on, so such a type decides for itself.
func LoadConfig[T any]() (T, error) {
	var cfg T
	err := envconfig.Process("", &cfg)
	var bad *envconfig.ParseError
	switch {
	case errors.As(err, &bad):
		return cfg, fmt.Errorf("environment variable %s: %w", bad.KeyName, reason(bad))
	case err != nil:
		return cfg, fmt.Errorf("environment: %w", err)
	}
	return cfg, nil
}

// reason says what is wrong with a value in the words of the one who set it.
func reason(bad *envconfig.ParseError) error {
	var number *strconv.NumError
	if errors.As(bad.Err, &number) {
		return fmt.Errorf("%q is not a valid %s: %w", bad.Value, bad.TypeName, number.Err)
	}
	return bad.Err
}

// ListenConfig says where a process listens.
type ListenConfig struct {
	// HTTPAddr is the public listener's.
	HTTPAddr string `envconfig:"HTTP_ADDR" default:"127.0.0.1:3000"`
	// AdminAddr serves /healthz and /readyz, and must not be reachable by the public.
	AdminAddr string `envconfig:"ADMIN_ADDR" default:"127.0.0.1:3001"`
}
