package app_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ticketing/pkg/app"
)

// patience is how long an awaited event may take on a slow machine.
const patience = 60 * time.Second

// programVariable makes the test binary run one of the programs below instead of the tests.
const programVariable = "APP_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(programVariable); name != "" {
		app.Main("demo", program(name))
	}
	goleak.VerifyTestMain(m)
}

func program(name string) func(context.Context, *slog.Logger) error {
	return func(ctx context.Context, log *slog.Logger) error {
		switch name {
		case "logs":
			log.Debug("fine")
			log.Info("plain", "id", 7)
			return nil
		case "fails":
			return errors.Join(errors.New("open store: locked"), errors.New("close bus: gone"))
		case "stops":
			fmt.Println("running")
			<-ctx.Done()
			fmt.Println("drained")
			return ctx.Err()
		case "hangs":
			fmt.Println("running")
			<-ctx.Done()
			fmt.Println("hanging")
			select {}
		}
		return fmt.Errorf("no program %q", name)
	}
}

// environ is the environment of a program, whatever the log settings of the one who tests.
func environ(name string) []string {
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LOG_") })
	return append(inherited, programVariable+"="+name)
}

// run runs a program to its end.
func run(t *testing.T, name string, env ...string) (stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(environ(name), env...)
	var b strings.Builder
	cmd.Stderr = &b
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

func TestMainLogs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   []string
		lines int
		want  string
	}{
		{"default", nil, 1, `"level":"INFO","msg":"plain","id":7}`},
		{"debug", []string{"LOG_LEVEL=debug"}, 2, `"msg":"fine"`},
		{"error", []string{"LOG_LEVEL=ERROR"}, 0, ""},
		{"text", []string{"LOG_FORMAT=text"}, 1, "level=INFO msg=plain id=7"},
		{"json", []string{"LOG_FORMAT=json"}, 1, `"msg":"plain"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stderr, code := run(t, "logs", tt.env...)
			if n := strings.Count(stderr, "\n"); code != 0 || n != tt.lines || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, %d lines: %s", code, n, stderr)
			}
		})
	}
}

func TestMainTellsItsErrorInOneLine(t *testing.T) {
	for _, tt := range []struct {
		name, program string
		env           []string
		want          string
	}{
		{"text", "fails", []string{"LOG_FORMAT=text"}, "demo: open store: locked; close bus: gone\n"},
		{"json", "fails", nil, `"msg":"demo failed","error":"open store: locked\nclose bus: gone"`},
		{"bad level", "logs", []string{"LOG_LEVEL=loud"}, "demo: environment variable LOG_LEVEL: slog: level string \"loud\": unknown name\n"},
		{"bad format", "logs", []string{"LOG_FORMAT=xml"}, "demo: environment variable LOG_FORMAT: \"xml\" is neither json nor text\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stderr, code := run(t, tt.program, tt.env...)
			if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, stderr %q, want 1 and %q", code, stderr, tt.want)
			}
		})
	}
}

// start starts a program and waits until it runs.
func start(t *testing.T, name string) (cmd *exec.Cmd, stdout *bufio.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, os.Args[0])
	cmd.Env = environ(name)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout = bufio.NewReader(pipe)
	expectLine(t, stdout, "running")
	return cmd, stdout
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if line, err := r.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("stdout = %q, %v, want %q", line, err, want)
	}
}

func TestASignalEndsTheContext(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd, stdout := start(t, "stops")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expectLine(t, stdout, "drained")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v, want exit code 0", sig, err)
		}
	}
}

func TestASecondSignalEndsTheProcess(t *testing.T) {
	// Given a process that does not heed the first signal
	cmd, stdout := start(t, "hangs")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expectLine(t, stdout, "hanging")

	// When more come (the first of them may meet the process while it still handles signals itself)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, stdout) // returns when the process is gone
	}()
	for again := time.NewTicker(10 * time.Millisecond); ; {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-again.C:
			continue
		case <-ended:
			again.Stop()
		}
		break
	}

	// Then it is gone, by the signal
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("process ended with %s, want by SIGTERM", cmd.ProcessState)
	}
}
