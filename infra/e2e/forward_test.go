//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// forward makes ports of a pod reachable from here until the test ends, and returns their addresses here.
func (c *cluster) forward(t testing.TB, target string, ports ...int) (addresses []string) {
	t.Helper()
	args := []string{"--namespace", c.Namespace, "port-forward", target}
	for _, port := range ports {
		args = append(args, fmt.Sprint(":", port))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-drained
		_ = cmd.Wait() // it was killed
	})
	lines := bufio.NewScanner(out)
	for len(addresses) < len(ports) && lines.Scan() {
		// Forwarding from 127.0.0.1:40123 -> 4222, and the same for [::1].
		if rest, ok := strings.CutPrefix(lines.Text(), "Forwarding from 127.0.0.1:"); ok {
			port, _, _ := strings.Cut(rest, " ")
			addresses = append(addresses, "127.0.0.1:"+port)
		}
	}
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, out)
	}()
	if len(addresses) < len(ports) {
		t.Fatalf("kubectl %s ended", strings.Join(args, " "))
	}
	return addresses
}

// get returns the answer to a GET.
func get(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}
