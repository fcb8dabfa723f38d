//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ticketing/infra/e2e/story"
)

// Everything is applied at once to an empty namespace and comes to Ready with no container ever restarted.
func startsWithoutFlapping(t *testing.T, c *cluster) {
	began := time.Now()
	c.skaffold(t, "build", "--file-output", c.artifacts)
	t.Logf("built in %v", time.Since(began).Round(time.Second))
	began = time.Now()
	c.skaffold(t, "deploy", "--build-artifacts", c.artifacts)
	t.Logf("deployed and ready in %v", time.Since(began).Round(time.Second))
	images := map[string]bool{}
	for _, pod := range c.pods(t, "") {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount != 0 || !status.Ready {
				t.Errorf("%s: %d restarts, ready: %v", pod.Name, status.RestartCount, status.Ready)
			}
		}
		images[pod.Spec.Containers[0].Image] = true
	}
	for image := range images {
		t.Logf("image %s", image)
	}
	for _, image := range c.StandIns {
		t.Logf("image %s is a STAND-IN on this cluster", image)
	}
	if out := c.kubectl(t, "get", "events", "--field-selector", "reason=BackOff", "-o", "name"); out != "" {
		t.Errorf("containers were backed off:\n%s", out)
	}
	t.Log("whether the cluster enforces NetworkPolicies is not tested here; they are applied:\n" +
		c.kubectl(t, "get", "networkpolicies", "-o", "name"))
	c.awaitRoutes(t)
}

// awaitRoutes waits until the ingress brings requests to pods of every service: it learns of pods a moment after
// they are ready.
func (c *cluster) awaitRoutes(t testing.TB) {
	t.Helper()
	eventually(t, "the ingress knows the way to every service", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		someone, err := story.Meet(ctx, c.front, "first")
		if err != nil {
			return err
		}
		defer someone.Leave()
		return errors.Join(
			someone.Do(ctx, http.MethodGet, "/api/tickets", nil, http.StatusOK, nil),
			someone.Do(ctx, http.MethodGet, "/api/orders", nil, http.StatusOK, nil),
		)
	})
}

func isVerified(t *testing.T, c *cluster) {
	out := c.skaffold(t, "verify", "--build-artifacts", c.artifacts)
	if !strings.Contains(out, "signed out, nobody can") {
		t.Errorf("skaffold verify did not walk to the end:\n%s", out)
	}
}

func runsTwoReplicas(t *testing.T, c *cluster) {
	c.scale(t, 2, "auth-depl", "tickets-depl", "orders-depl")
}

func isReached(t *testing.T, c *cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := story.Walk(ctx, c.front, func(step string) { t.Log(step) }); err != nil {
		t.Error(err)
	}
}

// A pod like those of a service, but for its environment, ends with one line or is not ready and says why.
// An order whose time is over is cancelled, and its ticket is another's to buy.
func ordersExpire(t *testing.T, c *cluster) {
	window := func(setting string) {
		c.kubectl(t, "set", "env", "deployment/orders-depl", setting)
		c.kubectl(t, "rollout", "status", "deployment/orders-depl", "--timeout=5m")
		eventually(t, "the pods of before are gone", func() error {
			if n := len(c.pods(t, "orders-depl")); n != 2 {
				return fmt.Errorf("%d pods", n)
			}
			return nil
		})
	}
	seller, buyer := meet(t, c, "seller"), meet(t, c, "buyer")
	ticket := sell(t, seller, "left to expire")
	awaitSeen(t, buyer, ticket)
	window("ORDER_WINDOW=2s")
	var order story.Order
	eventually(t, "the ingress knows the new pods", func() (err error) {
		order, err = buyer.Order(t.Context(), ticket.ID)
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := buyer.Await(ctx, order.ID, "cancelled"); err != nil {
		t.Fatal(err)
	}
	awaitSeen(t, seller, ticket)
	window("ORDER_WINDOW-")
}

func saysWhatIsWrong(t *testing.T, c *cluster) {
	running := c.pods(t, "orders-depl")[0].Name
	for _, tt := range []struct {
		name string
		env  map[string]string // "" takes the variable away
		ends bool
		want string
	}{
		{"no-key", map[string]string{"JWT_KEY": ""}, true, "JWT_KEY"},
		{"no-store", map[string]string{"MONGO_URI": ""}, true, "MONGO_URI"},
		{"bad-client", map[string]string{"NATS_CLIENT_ID": "orders.1"}, true, `client id "orders.1": only letters, digits`},
		{"no-password", map[string]string{"MONGO_URI": "mongodb://orders:wrong@orders-mongo-srv:27017/?authSource=admin"}, false, "uthentication"},
		{"no-database", map[string]string{"MONGO_URI": "mongodb://orders:x@nowhere:27017/"}, false, "nowhere"},
		{"no-bus", map[string]string{"NATS_URL": "nats://nowhere:4222", "NATS_MONITOR_URL": "http://nowhere:8222"}, false, "nowhere"},
		{"same-client", map[string]string{"NATS_CLIENT_ID": running}, false, running},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.stranger(t, tt.name, tt.env)
			if tt.ends {
				eventually(t, "it ends", func() error { return c.hasPhase(t, tt.name, corev1.PodFailed) })
				lines := strings.Split(strings.TrimSpace(c.kubectl(t, "logs", tt.name)), "\n")
				if len(lines) != 1 || !strings.Contains(lines[0], strings.ReplaceAll(tt.want, `"`, `\"`)) {
					t.Errorf("it says %q, want one line with %s", lines, tt.want)
				}
				t.Log(lines[len(lines)-1])
				return
			}
			eventually(t, "it runs", func() error { return c.hasPhase(t, tt.name, corev1.PodRunning) })
			admin := c.forward(t, "pod/"+tt.name, 3001)
			eventually(t, "it is not ready and says why", func() error {
				status, body, err := get(t.Context(), "http://"+admin[0]+"/readyz")
				if err == nil && (status != http.StatusServiceUnavailable || !strings.Contains(body, tt.want)) {
					err = fmt.Errorf("it answers %d: %s", status, body)
				}
				if err == nil {
					t.Log(body)
				}
				return err
			})
		})
	}
}

// stranger starts a pod like one of orders, with its labels, so that policies let it through. Nobody restarts it.
func (c *cluster) stranger(t *testing.T, name string, env map[string]string) {
	t.Helper()
	var like appsv1.Deployment
	if err := json.Unmarshal([]byte(c.kubectl(t, "get", "deployment", "orders-depl", "-o", "json")), &like); err != nil {
		t.Fatal(err)
	}
	spec := like.Spec.Template.Spec
	spec.RestartPolicy = corev1.RestartPolicyNever
	spec.TopologySpreadConstraints = nil
	var kept []corev1.EnvVar
	for _, v := range spec.Containers[0].Env {
		if _, changed := env[v.Name]; !changed {
			kept = append(kept, v)
		}
	}
	for variable, value := range env {
		if value != "" {
			kept = append(kept, corev1.EnvVar{Name: variable, Value: value})
		}
	}
	spec.Containers[0].Env = kept
	like.Spec.Template.Labels[strangerLabel] = "yes"
	c.apply(t, corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: like.Spec.Template.Labels},
		Spec:       spec,
	})
	t.Cleanup(func() { c.kubectl(t, "delete", "pod", name, "--wait=false") })
}

func (c *cluster) hasPhase(t *testing.T, pod string, want corev1.PodPhase) error {
	t.Helper()
	if got := c.kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.phase}"); got != string(want) {
		return fmt.Errorf("%s is %s", pod, got)
	}
	return nil
}
