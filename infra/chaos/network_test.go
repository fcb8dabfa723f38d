package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// echo is a server that says what it is told, behind a link.
func echo(t *testing.T) (n *network, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	n = newNetwork()
	addr, err = n.connect("test", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.close()
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return n, addr
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// say sends a message and reads what comes back within the time.
func say(conn net.Conn, message []byte, within time.Duration) (back []byte, err error) {
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	back = make([]byte, len(message))
	n, err := io.ReadFull(conn, back)
	return back[:n], err
}

func TestLinksFailAndHeal(t *testing.T) {
	message := bytes.Repeat([]byte("x"), 1000)
	for _, test := range []struct {
		kind   faultKind
		detail int
		broken func(back []byte, err error) bool
	}{
		{faultCut, 0, func(_ []byte, err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) }},
		{faultReset, 0, func(back []byte, err error) bool { return err != nil && len(back) == 0 }},
		{faultReset, 1, func(back []byte, err error) bool { return err != nil && len(back) == 0 }},
		{faultMidway, 600, func(back []byte, err error) bool { return err != nil && len(back) <= 600 }},
		{faultMidway, 601, func(back []byte, err error) bool { return err != nil && len(back) == 601 }},
		{faultHalfOpen, 0, func(back []byte, err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) && len(back) == 0 }},
		{faultHalfOpen, 1, func(back []byte, err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) && len(back) == 0 }},
		{faultDelay, 300, func(back []byte, err error) bool { return err == nil && len(back) == 1000 }},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			n, addr := echo(t)
			conn := dial(t, addr)
			if _, err := say(conn, message, patience); err != nil {
				t.Fatalf("before the fault: %v", err)
			}
			if err := n.fail(fault{Kind: test.kind, Target: "test", Detail: test.detail}); err != nil {
				t.Fatal(err)
			}
			within := patience
			if test.kind == faultHalfOpen {
				within = 200 * time.Millisecond // it is for ever
			}
			sent := time.Now()
			if back, err := say(conn, message, within); !test.broken(back, err) {
				t.Errorf("got %d bytes, %v", len(back), err)
			}
			if least := 290 * time.Millisecond; test.kind == faultDelay && time.Since(sent) < least {
				t.Errorf("came after %v, want at least %v", time.Since(sent), least)
			}
			if err := n.heal("test"); err != nil {
				t.Fatal(err)
			}
			if back, err := say(dial(t, addr), message, patience); err != nil || len(back) != len(message) {
				t.Errorf("healed: got %d bytes, %v", len(back), err)
			}
		})
	}
}
