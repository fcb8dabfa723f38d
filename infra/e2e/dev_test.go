//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The change that a developer makes: a client sees it without looking into a pod.
const (
	changedFile = "services/tickets/ticket.go"
	wordsBefore = "this ticket belongs to somebody else"
	wordsAfter  = "only its seller changes a ticket"
)

// `skaffold dev` brings a change of the code to the cluster by itself, and leaves nothing behind when it ends.
func isDeveloped(t *testing.T, c *cluster) {
	folder := copyProject(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	dev := exec.CommandContext(ctx, c.Skaffold, "dev", "--namespace", c.Namespace, "--tail=false")
	dev.Dir = folder
	out, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	dev.Stderr = dev.Stdout
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	said := &strings.Builder{}
	watching := make(chan struct{})
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewReader(out)
		for first := true; ; {
			line, err := lines.ReadString('\n')
			said.WriteString(line)
			if first && strings.Contains(line, "Watching for changes") {
				first = false
				close(watching)
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-watching:
	case <-drained:
		t.Fatalf("skaffold dev ended: %s", said)
	}
	c.awaitRoutes(t)

	seller, other := meet(t, c, "seller"), meet(t, c, "other")
	defer seller.Leave()
	defer other.Leave()
	ticket := sell(t, seller, "concert")
	answer := func() string { // to another person's attempt to change the ticket
		err := other.Do(t.Context(), http.MethodPut, "/api/tickets/"+ticket.ID, map[string]any{"title": "mine", "price": 1}, http.StatusOK, nil)
		return fmt.Sprint(err)
	}
	if got := answer(); !strings.Contains(got, wordsBefore) {
		t.Errorf("before the change the answer is %s", got)
	}
	edit(t, filepath.Join(folder, changedFile))
	began := time.Now()
	eventually(t, "the change is served", func() error {
		if got := answer(); !strings.Contains(got, wordsAfter) {
			return fmt.Errorf("the answer is %s", got)
		}
		return nil
	})
	t.Logf("a change of the code was served after %v", time.Since(began).Round(100*time.Millisecond))

	if err := dev.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-drained
	if err := dev.Wait(); err != nil {
		t.Errorf("skaffold dev ended with %v: %s", err, said)
	}
	eventually(t, "nothing is left", func() error {
		left := c.kubectl(t, "get", "all,configmaps,secrets,persistentvolumeclaims,ingresses,networkpolicies,poddisruptionbudgets,serviceaccounts",
			"-l", "app.kubernetes.io/part-of=ticketing", "-o", "name") + c.kubectl(t, "get", "persistentvolumeclaims,pods,secrets", "-o", "name")
		if left != "" {
			return fmt.Errorf("there is %q", left)
		}
		return nil
	})
}

// copyProject copies what belongs to the project, so that it can be changed.
func copyProject(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	files, err := run(t.Context(), "", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	for file := range strings.SplitSeq(strings.TrimRight(files, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, file), filepath.Join(folder, file)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return nil // deleted and not yet committed
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func edit(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Replace(string(content), wordsBefore, wordsAfter, 1)
	if after == string(content) {
		t.Fatalf("%s has no %q", file, wordsBefore)
	}
	if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
}
