package process_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ticketing/infra/chaos/process"
)

const asChild = "PROCESS_TEST_CHILD"

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "":
		goleak.VerifyTestMain(m)
	case "counts":
		for n := 0; ; n++ {
			fmt.Println("up", n)
			time.Sleep(time.Millisecond)
		}
	case "fails":
		fmt.Fprintln(os.Stderr, "no")
		os.Exit(3)
	}
}

// start starts this test's binary as a child; lines are what it says.
func start(t *testing.T, as string) (p *process.Process, lines chan string, err error) {
	t.Helper()
	lines = make(chan string, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err = process.Start(ctx, process.Spec{
		Name: as, Path: os.Args[0], Env: []string{asChild + "=" + as},
		Line: func(line []byte) {
			select {
			case lines <- strings.TrimSpace(string(line)):
			default: // nobody waits for it
			}
		},
		Up: func(line []byte) bool { return strings.HasPrefix(string(line), "up") },
	})
	if err == nil {
		t.Cleanup(p.Kill)
	}
	return p, lines, err
}

func TestAKilledChildIsGone(t *testing.T) {
	p, _, err := start(t, "counts")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("ended with %v before it was killed", err)
	}
	p.Kill()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), syscall.SIGKILL.String()) {
		t.Errorf("ended with %v", err)
	}
}

func TestASuspendedChildSaysNothingUntilItIsResumed(t *testing.T) {
	p, lines, err := start(t, "counts")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Suspend(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, p, "T")
	for len(lines) > 0 { // what it said before
		<-lines
		time.Sleep(10 * time.Millisecond) // the pipe may hold more
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lines:
	case <-time.After(patience):
		t.Error("it says nothing after it was resumed")
	}
}

// awaitState waits until the kernel has the child in a state, where that can be read.
func awaitState(t *testing.T, p *process.Process, state string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.PID()))
		if err != nil {
			t.Skipf("the state of a process cannot be read here: %v", err)
		}
		found := false
		for lines := bufio.NewScanner(file); lines.Scan(); {
			found = found || strings.HasPrefix(lines.Text(), "State:\t"+state)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
	t.Fatal("it is not suspended")
}

func TestAChildThatDoesNotComeUpIsAnError(t *testing.T) {
	if _, _, err := start(t, "fails"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestAnAskedChildEnds(t *testing.T) {
	p, _, err := start(t, "counts")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	if p.Err() == nil {
		t.Error("it has not ended")
	}
}

func TestFreePortsAreDifferent(t *testing.T) {
	addrs, err := process.FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, addr := range addrs {
		seen[addr] = true
	}
	if len(seen) != 20 {
		t.Errorf("got %v", addrs)
	}
}
