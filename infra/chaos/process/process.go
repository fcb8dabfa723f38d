// Package process runs programs as children that can be killed, suspended and started again.
//
//	Start ──> Process ──> Kill | Suspend, Resume | Stop
//	            └── each line it says ──> Spec.Line
//
// No child outlives the process that started it (where the system is Linux), so that a run that is killed leaves
// nothing behind.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// Spec describes a child.
type Spec struct {
	// Name is for people.
	Name string
	// Path is the program, Args its arguments without its name.
	Path string
	Args []string
	// Env is its whole environment, "NAME=value" each.
	Env []string
	// Line is called with each line that it says on stdout or stderr, one call at a time. The bytes are valid
	// until it returns.
	Line func(line []byte)
	// Up tells by a line that the child is up. Nil: it is up at once.
	Up func(line []byte) bool
}

// Process is a child that was started. Its methods may be called concurrently.
type Process struct {
	spec   Spec
	pid    int
	signal func(syscall.Signal) error
	exited chan struct{} // closed when it is gone and all it said was read
	err    error         // how it ended, once exited is closed
}

// Start starts a child and waits until it is up. It is killed and waited for when ctx ends before that.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	p := &Process{spec: spec, exited: make(chan struct{})}
	up := make(chan struct{})
	started := make(chan error)
	go p.own(started, up)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if spec.Up == nil {
		return p, nil
	}
	select {
	case <-up:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("start %s: it ended: %w", spec.Name, p.Err())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("start %s: %w", spec.Name, ctx.Err())
	}
}

// own starts the child, follows what it says and waits for its end. It keeps its thread, because the child's
// life is tied to the thread that started it.
func (p *Process) own(started chan<- error, up chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Env = p.spec.Env
	cmd.SysProcAttr = dieWithParent()
	output, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	p.signal = func(s syscall.Signal) error { return cmd.Process.Signal(s) }
	started <- nil
	defer close(p.exited)
	p.follow(output, up)
	if p.err = cmd.Wait(); p.err == nil {
		p.err = errors.New("exit code 0")
	}
}

func (p *Process) follow(output io.Reader, up chan<- struct{}) {
	isUp := sync.OnceFunc(func() { close(up) })
	for lines := bufio.NewReader(output); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if p.spec.Line != nil {
				p.spec.Line(line)
			}
			if p.spec.Up != nil && p.spec.Up(line) {
				isUp()
			}
		}
		if err != nil {
			return
		}
	}
}

// PID is its process id.
func (p *Process) PID() int { return p.pid }

// Exited is closed when the child is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err tells how it ended; nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.exited:
		return p.err
	default:
		return nil
	}
}

// Kill kills it as kill -9 does and waits until it is gone.
func (p *Process) Kill() {
	_ = p.signal(syscall.SIGKILL) // it may be gone already
	<-p.exited
}

// Suspend stops it in the middle of whatever it does, as a long pause of its machine does.
func (p *Process) Suspend() error { return p.signal(syscall.SIGSTOP) }

// Resume ends a Suspend.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// Stop asks it to end and waits until it has, or until ctx ends: then it is killed, which is an error.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: it had to be killed: %w", p.spec.Name, ctx.Err())
	}
}
