// Package apptest runs a program as a process of its own: the test's binary, started once more.
//
//	func TestMain(m *testing.M) { apptest.Main(m, main) }
//
//	test ──> Start(env) ──> Program: its addresses from its "listening" line, readiness, signals, exit code
//	     ──> Refusal(env) ──> the one line in which it says why it does not start
package apptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = time.Minute

// asProgram makes the test's binary be the program.
const asProgram = "APPTEST_AS_PROGRAM"

// Main runs the tests, or main where the binary was started by one of them.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// command is the program with free ports and nothing in its environment but env, which wins. It is killed
// with ctx. A binary that counts coverage would complain on stderr where it cannot leave its counts.
func command(ctx context.Context, t testing.TB, env []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = slices.Concat([]string{
		asProgram + "=1", "GOCOVERDIR=" + t.TempDir(), "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json",
	}, env)
	return cmd
}

// Refusal runs a program that cannot start. It must end with exit code 1 after one line; that is returned.
func Refusal(t testing.TB, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, t, slices.Concat([]string{"LOG_LEVEL=warn"}, env, []string{"LOG_FORMAT=text"}))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	if strings.Count(stderr.String(), "\n") != 1 || stdout.Len() > 0 {
		t.Errorf("it said %q and %q, want one line on stderr", stderr.String(), stdout.String())
	}
	return strings.TrimSuffix(stderr.String(), "\n")
}

// Program is a program that runs.
type Program struct {
	// HTTP and Admin are the addresses of its two listeners, host and port.
	HTTP  string
	Admin string

	cmd    *exec.Cmd
	exited chan struct{} // closed when all of the log is read and the process is gone
	err    error         // how it ended, once exited is closed

	mu  sync.Mutex
	log bytes.Buffer
}

// Start starts the program and waits until it listens. It is killed at the end of the test where it still runs.
func Start(t testing.TB, env ...string) *Program {
	t.Helper()
	p := &Program{cmd: command(t.Context(), t, env), exited: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan line, 1)
	go p.follow(stderr, listening)
	t.Cleanup(func() { <-p.exited }) // the test's context has ended then, and with it the program
	select {
	case l := <-listening:
		p.HTTP, p.Admin = l.HTTP, l.Admin
	case <-p.exited:
		t.Fatalf("it ended with %v and said %s", p.err, p.Log())
	case <-time.After(patience):
		t.Fatalf("it does not listen; it said %s", p.Log())
	}
	return p
}

// line is what is read of a line of the log.
type line struct{ Msg, HTTP, Admin string }

// follow keeps what the program says until it ends.
func (p *Program) follow(stderr io.Reader, listening chan<- line) {
	defer close(p.exited)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.mu.Lock()
		p.log.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		var l line
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "listening" {
			listening <- l
		}
	}
	p.err = p.cmd.Wait()
}

// Log is what it has said up to now.
func (p *Program) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Ready asks /readyz. reason is empty where the program is ready; else it is all that the answer says.
func (p *Program) Ready() (reason string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + p.Admin + "/readyz")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode == http.StatusOK {
		return "", err
	}
	return string(body), nil
}

// AwaitReady waits until /readyz is 200.
func (p *Program) AwaitReady(t testing.TB) {
	t.Helper()
	p.await(t, "readiness", func(reason string) bool { return reason == "" })
}

// AwaitUnready waits until /readyz tells a reason that contains these words.
func (p *Program) AwaitUnready(t testing.TB, words string) {
	t.Helper()
	p.await(t, "to be unready for "+words, func(reason string) bool { return strings.Contains(reason, words) })
}

func (p *Program) await(t testing.TB, what string, done func(reason string) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		reason, err := p.Ready()
		if err == nil && done(reason) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s; readyz says %q, %v; the log %s", what, reason, err, p.Log())
		}
	}
}

// Signal sends it a signal.
func (p *Program) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// AwaitEnd waits until it has ended, which must be with exit code 0.
func (p *Program) AwaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("it does not end; it said %s", p.Log())
	}
	if p.err != nil {
		t.Errorf("it ended with %v, want exit code 0; it said %s", p.err, p.Log())
	}
}
