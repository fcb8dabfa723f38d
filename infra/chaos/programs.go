package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// programs are the paths of what is run.
type programs struct {
	self, tickets, orders, payments, expiration, mongod string
}

// build makes the services' own programs, and the stand-in for mongod where a profile needs it and it is not
// there yet. It is called in the root of the module.
func build(ctx context.Context, dir string, profiles []string) (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return programs{}, err
	}
	bin := filepath.Join(dir, "chaos", "bin")
	p := programs{
		self: self, tickets: filepath.Join(bin, "tickets"), orders: filepath.Join(bin, "orders"),
		payments: filepath.Join(bin, "payments"), expiration: filepath.Join(bin, "expiration"), mongod: filepath.Join(dir, "wireserver"),
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return p, err
	}
	if err := goBuild(ctx, ".", bin+"/", "./services/tickets/cmd/tickets", "./services/orders/cmd/orders",
		"./services/payments/cmd/payments", "./services/expiration/cmd/expiration"); err != nil {
		return p, err
	}
	if _, err := os.Stat(p.mongod); err == nil || !slices.Contains(profiles, profileMongo) {
		return p, nil
	}
	fmt.Println("building the stand-in for mongod, which takes minutes")
	return p, goBuild(ctx, "pkg/store/mongo/wireserver", p.mongod, ".")
}

func goBuild(ctx context.Context, dir, output string, packages ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", output}, packages...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build in %s: %w", dir, err)
	}
	return nil
}
