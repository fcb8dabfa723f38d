//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"ticketing/infra/e2e/story"
	"ticketing/pkg/app"
)

const (
	// patience is how long an awaited thing may take on a slow, noisy machine.
	patience = 5 * time.Minute
	// root is the project, as seen from here.
	root = "../.."
	// strangerLabel tells pods that were put beside those of a Deployment.
	strangerLabel = "stranger"
)

// settings is what the environment may say.
type settings struct {
	// Namespace is made for the test, and deleted at its end.
	Namespace string `envconfig:"E2E_NAMESPACE" default:"ticketing-e2e"`
	// BaseURL and ConnectTo say how the ingress is reached (story.Front).
	BaseURL   string `envconfig:"BASE_URL" default:"http://ticketing.localhost"`
	ConnectTo string `envconfig:"CONNECT_TO"`
	Skaffold  string `envconfig:"SKAFFOLD" default:"skaffold"`
	// StandIns names images that are not what their names say on this cluster, for the record.
	StandIns []string `envconfig:"E2E_STANDINS"`
}

// cluster is the namespace under test.
type cluster struct {
	settings
	front story.Front
	// artifacts names the images that were built, for Skaffold.
	artifacts string
}

// newCluster makes the namespace, in which nothing may run that is not restricted.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	s, err := app.LoadConfig[settings]()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		settings:  s,
		front:     story.Front{BaseURL: s.BaseURL, ConnectTo: s.ConnectTo},
		artifacts: filepath.Join(t.TempDir(), "artifacts.json"),
	}
	c.kubectl(t, "create", "namespace", c.Namespace)
	t.Cleanup(func() {
		if t.Failed() {
			c.saveEvidence(t)
		}
		c.kubectl(t, "delete", "namespace", c.Namespace, "--timeout", patience.String())
	})
	c.kubectl(t, "label", "namespace", c.Namespace,
		"pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/enforce-version=latest")
	return c
}

// run runs a program of the project's folder to its end and returns what it printed.
func run(ctx context.Context, stdin string, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = root, strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// try runs kubectl in the namespace.
func (c *cluster) try(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "", "kubectl", append([]string{"--namespace", c.Namespace}, args...)...)
}

// kubectl runs kubectl in the namespace and returns what it printed.
func (c *cluster) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	out, err := c.try(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply creates an object.
func (c *cluster) apply(t testing.TB, object any) {
	t.Helper()
	manifest, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), string(manifest), "kubectl", "--namespace", c.Namespace, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// skaffold runs Skaffold in the namespace.
func (c *cluster) skaffold(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	out, err := run(ctx, "", c.Skaffold, append(args, "--namespace", c.Namespace)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scale sets the number of pods of services and waits until they are ready, and known to the ingress.
func (c *cluster) scale(t testing.TB, replicas int, deployments ...string) {
	t.Helper()
	for _, d := range deployments {
		c.kubectl(t, "scale", "deployment/"+d, fmt.Sprint("--replicas=", replicas))
	}
	for _, d := range deployments {
		c.kubectl(t, "rollout", "status", "deployment/"+d, "--timeout", patience.String())
	}
	eventually(t, fmt.Sprintf("%d pods of each of %v", replicas, deployments), func() error {
		for _, d := range deployments {
			if got := len(c.pods(t, d)); got != replicas {
				return fmt.Errorf("%s has %d pods", d, got)
			}
		}
		return nil
	})
	if replicas > 0 {
		c.awaitRoutes(t)
	}
}

// pods returns those of a deployment, or all of the namespace for "".
func (c *cluster) pods(t testing.TB, deployment string) []corev1.Pod {
	t.Helper()
	args := []string{"get", "pods", "-o", "json"}
	if deployment != "" {
		args = append(args, "-l", "!"+strangerLabel+",app.kubernetes.io/component=service,app.kubernetes.io/name="+strings.TrimSuffix(deployment, "-depl"))
	}
	var list corev1.PodList
	if err := json.Unmarshal([]byte(c.kubectl(t, args...)), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// eventually polls, for what has no event that could be awaited.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s: %v", patience, what, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// saveEvidence writes down how the cluster looked when a test had failed.
func (c *cluster) saveEvidence(t testing.TB) {
	folder := filepath.Join(root, "build", "e2e")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	save := func(name string, args ...string) {
		out, err := c.try(ctx, args...)
		if err := errors.Join(err, os.WriteFile(filepath.Join(folder, name), []byte(out), 0o644)); err != nil {
			t.Log(err)
		}
	}
	save("objects.txt", "get", "all,ingress,pvc,networkpolicy", "-o", "wide")
	save("events.txt", "get", "events", "--sort-by=.lastTimestamp")
	save("pods.txt", "describe", "pods")
	for _, pod := range c.pods(t, "") {
		save(pod.Name+".log", "logs", pod.Name, "--all-containers")
		if len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].RestartCount > 0 {
			save(pod.Name+".previous.log", "logs", pod.Name, "--all-containers", "--previous")
		}
	}
	t.Logf("the logs of all pods and the events are in %s", folder)
}
