package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary be the program.
const asProgram = "TICKETING_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is the program with free ports and a data folder of the test's own, and what the test sets.
func program(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append([]string{asProgram + "=1", "HOME=" + os.Getenv("HOME"), "DATA_DIR=" + t.TempDir(), "GOCOVERDIR=" + t.TempDir(),
		"GATEWAY_ADDR=127.0.0.1:0", "NATS_ADDR=127.0.0.1:0", "NATS_MONITOR_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=text"}, env...)
	return cmd
}

func TestItSaysInOneLineWhyItCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, env, want string
	}{
		{"gateway port taken", "GATEWAY_ADDR=" + taken.Addr().String(), "address already in use"},
		{"admin port taken", "ADMIN_ADDR=" + taken.Addr().String(), "address already in use"},
		{"broker port taken", "NATS_ADDR=" + taken.Addr().String(), "address already in use"},
		{"monitoring port taken", "NATS_MONITOR_ADDR=" + taken.Addr().String(), "address already in use"},
		{"an address without a port", "NATS_ADDR=127.0.0.1", "NATS_ADDR"},
		{"a port that is none", "NATS_ADDR=127.0.0.1:http", "NATS_ADDR"},
		{"two hosts for the broker", "NATS_MONITOR_ADDR=127.0.0.2:0", "NATS_MONITOR_ADDR"},
		{"a data folder that cannot be", "DATA_DIR=" + filepath.Join(file, "data"), "DATA_DIR"},
		{"a duration that is none", "ORDER_WINDOW=soon", "ORDER_WINDOW"},
		{"a session that never lives", "SESSION_TTL=-1s", "SESSION_TTL"},
		{"a key that is too short", "JWT_KEY=short", "JWT_KEY"},
		{"a password without a user", "NATS_PASSWORD=hidden", "user and password go together"},
		{"a limit that is none", "SIGNIN_LIMIT_ADDRESS=many", "SIGNIN_LIMIT_ADDRESS"},
		{"a limit of no tries", "SIGNIN_LIMIT_ACCOUNT=0/1m", "SIGNIN_LIMIT_ACCOUNT"},
		{"a proxy that is no network", "TRUSTED_PROXIES=gateway", "TRUSTED_PROXIES"},
		{"a log level that is none", "LOG_LEVEL=loud", "LOG_LEVEL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := program(t, tt.env)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code is %d (%v), want 1", code, err)
			}
			lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
			last := lines[len(lines)-1]
			if !strings.HasPrefix(last, "ticketing: ") || !strings.Contains(last, tt.want) {
				t.Errorf("it said %q, want a line with %q", stderr.String(), tt.want)
			}
			for _, line := range lines[:len(lines)-1] {
				if !strings.Contains(line, "level=INFO") {
					t.Errorf("it also said %q", line)
				}
			}
			if strings.Contains(stdout.String(), "ready") {
				t.Error("it said that it was ready")
			}
		})
	}
}

func TestASecondOneOnTheSameDataSaysSo(t *testing.T) {
	dir := "DATA_DIR=" + t.TempDir()
	start(t, program(t, dir))
	second := program(t, dir)
	var stderr bytes.Buffer
	second.Stderr = &stderr
	if err := second.Run(); second.ProcessState.ExitCode() != 1 {
		t.Errorf("the second one ended with %v, want exit code 1", err)
	}
	if !strings.Contains(stderr.String(), "in use") && !strings.Contains(stderr.String(), "lock") {
		t.Errorf("it said %q", stderr.String())
	}
}

func TestItSaysReadyAndEndsCleanly(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := program(t)
			ready := start(t, cmd)
			for _, word := range []string{"gateway=http://127.0.0.1:", "nats=nats://127.0.0.1:", "monitoring=http://127.0.0.1:"} {
				if !strings.Contains(ready, word) {
					t.Errorf("the ready line %q lacks %q", ready, word)
				}
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// start starts the program and returns its ready line.
func start(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended then, and with it the program
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("it said %q, %v; stderr: %s", line, err, stderr.String())
	}
	return line
}
