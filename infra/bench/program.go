package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"ticketing/infra/chaos/process"
)

// program is a service's own program, as it is shipped, in a process of its own on a bolt file and the broker
// of an environment.
type program struct {
	*process.Process
	http, admin string
	began       time.Time // when it was asked for
}

// startProgram starts a service on a store, and returns when it listens. It is stopped with until.
func startProgram(ctx context.Context, env *environment, until *cleanup, service, path string) (*program, error) {
	programs, err := env.stock.builtPrograms(ctx)
	if err != nil {
		return nil, err
	}
	p := &program{}
	spec := process.Spec{
		Name: service, Path: filepath.Join(programs, service),
		Env: []string{
			"HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "BOLT_FILE=" + path, "JWT_KEY=" + jwtKey, "LOG_FORMAT=json",
			"NATS_URL=" + env.broker.URL(), "NATS_MONITOR_URL=" + env.broker.MonitorURL(),
			"NATS_CLUSTER_ID=" + clusterID, "NATS_CLIENT_ID=" + env.name(service),
		},
		Line: func(line []byte) { p.hear(env, service, line) },
		Up:   func([]byte) bool { return p.admin != "" },
	}
	p.began = time.Now()
	if p.Process, err = process.Start(ctx, spec); err != nil {
		return nil, err
	}
	until.add(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return p.Stop(ctx)
	})
	return p, nil
}

// hear takes the addresses from what the program says, and passes its warnings on.
func (p *program) hear(env *environment, service string, line []byte) {
	var said struct{ Level, Msg, HTTP, Admin string }
	switch err := json.Unmarshal(line, &said); {
	case err != nil || said.Level == "WARN" || said.Level == "ERROR":
		env.log.Warn("a program complains", "program", service, "line", string(line))
	case said.Msg == "listening":
		p.http, p.admin = said.HTTP, said.Admin
	}
}

// awaitReady returns how long it took from the start of the program until /readyz was 200.
func (p *program) awaitReady(ctx context.Context) (time.Duration, error) {
	for {
		ready, err := p.ready(ctx)
		if err != nil {
			return 0, err
		}
		if ready {
			return time.Since(p.began), nil
		}
		select {
		case <-p.Exited():
			return 0, fmt.Errorf("it ended before it was ready: %w", p.Err())
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for it to be ready: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

func (p *program) ready(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/readyz", nil)
	if err != nil {
		return false, fmt.Errorf("ask for readiness: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask for readiness: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close() // it is read to its end
	return answer.StatusCode == http.StatusOK, err
}
