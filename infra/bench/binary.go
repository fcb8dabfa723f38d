package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
			programs, err := goCommand(ctx, "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "ticketing/services/...")
			if err != nil {
				return nil, nil, err
			}
			largest, err := largestProgram(ctx, filepath.Join(env.dir, "programs"), programs)
			if err != nil {
				return nil, nil, err
			}
			linked, err := linking(ctx, brokerServer, programs)
			if err != nil {
				return nil, nil, err
			}
			return func(context.Context) ([]float64, error) { return []float64{largest, linked}, nil }, nil, nil
		},
	}
}

// largestProgram builds programs into dir and returns the size of the largest in MB.
func largestProgram(ctx context.Context, dir string, programs []string) (float64, error) {
	build := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}
	if _, err := goCommand(ctx, append(build, programs...)...); err != nil {
		return 0, err
	}
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
