package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// brokerServer must not be in a service: the broker is a process of its own.
const brokerServer = "github.com/nats-io/nats-streaming-server"

// binary is the size of the largest program of a service, stripped as it is shipped, and how many of them
// link the broker's server. Both are exact: they are found once, and every run tells the same.
func binary() measurement {
	return measurement{
		name: "binary",
		rows: []row{
			{name: "binary, the largest", unit: "MB", target: valueAtMost(25)},
			{name: "binary, with the broker inside", unit: "programs", target: valueAtMost(0)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			dir, err := env.stock.builtPrograms(ctx)
			if err != nil {
				return nil, nil, err
			}
			largest, err := largestFile(dir)
			if err != nil {
				return nil, nil, err
			}
			packages, err := servicePrograms(ctx)
			if err != nil {
				return nil, nil, err
			}
			linked, err := linking(ctx, brokerServer, packages)
			if err != nil {
				return nil, nil, err
			}
			return func(context.Context) ([]float64, error) { return []float64{largest, linked}, nil }, nil, nil
		},
	}
}

// servicePrograms are the packages of the services' programs.
func servicePrograms(ctx context.Context) ([]string, error) {
	return goCommand(ctx, "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "ticketing/services/...")
}

// largestFile returns the size of the largest file of a folder in MB.
func largestFile(dir string) (float64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("find the programs: %w", err)
	}
	var largest int64
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return 0, fmt.Errorf("find the programs: %w", err)
		}
		largest = max(largest, info.Size())
	}
	return float64(largest) / 1e6, nil
}

// linking counts the programs that a package of the module is in.
func linking(ctx context.Context, module string, programs []string) (float64, error) {
	var count float64
	for _, program := range programs {
		packages, err := goCommand(ctx, "list", "-deps", program)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(packages, func(p string) bool { return p == module || strings.HasPrefix(p, module+"/") }) {
			count++
		}
	}
	return count, nil
}

// goCommand returns the words that a go command prints.
func goCommand(ctx context.Context, args ...string) ([]string, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var failure bytes.Buffer
	command.Stderr = &failure
	words, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(failure.Bytes()))
	}
	return strings.Fields(string(words)), nil
}
