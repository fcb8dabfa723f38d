package k8s

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	stand "github.com/nats-io/nats-streaming-server/server"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
)

// The bus of an overlay lets in the services with what the overlay gives them, and a stranger only where it
// demands nothing.
func TestWhoIsLetInToTheBus(t *testing.T) {
	secrets := fillSecrets(t, ".", t.TempDir())
	for overlay, open := range map[string]bool{"overlays/dev": true, "overlays/prod": false} {
		t.Run(overlay, func(t *testing.T) {
			s := render(t, overlay)
			url := startBroker(t, s, secrets)
			checkStranger := awaitRefusal
			if open {
				checkStranger = checkTalk
			}
			for _, w := range busClients(t, s) {
				t.Run(w.GetName(), func(t *testing.T) {
					given := environment(&w.pod.Spec.Containers[0], secrets)
					checkTalk(t, openBus(t, url, w.GetName(), given))
				})
			}
			t.Run("stranger", func(t *testing.T) {
				checkStranger(t, openBus(t, url, "stranger", nil))
			})
			t.Run("wrong password", func(t *testing.T) {
				guess := map[string]string{"NATS_USER": "services", "NATS_PASSWORD": "guess"}
				checkStranger(t, openBus(t, url, "guesser", guess))
			})
		})
	}
}

// busClients are the services on the bus. There are some.
func busClients(t testing.TB, s system) (found []workload) {
	t.Helper()
	for _, w := range s.workloads() {
		if w.isOnBus() {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		t.Fatal("no service is on the bus")
	}
	return found
}

// startBroker runs the server of a system in this process: with the arguments of its container, read by the
// server's own parser, and its volumes as folders, those of Secrets with their files. Only where it listens is
// another place: on loopback, at a free port, without monitoring.
func startBroker(t *testing.T, s system, secrets map[string]map[string]string) (url string) {
	t.Helper()
	pod := must[*appsv1.Deployment](t, s, "nats-depl").Spec.Template.Spec
	args := pod.Containers[0].Args
	for _, mount := range pod.Containers[0].VolumeMounts {
		args = moved(args, mount.MountPath, mounted(t, pod, mount.Name, secrets))
	}
	unexpected := func() { t.Errorf("the server takes %q for a question", args) }
	opts, nats, err := stand.ConfigureOptions(flag.NewFlagSet("nats", flag.ContinueOnError), args, unexpected, unexpected, unexpected)
	if err != nil {
		t.Fatal(err)
	}
	nats.Host, nats.Port, nats.HTTPPort, nats.NoSigs = "127.0.0.1", natsd.RANDOM_PORT, 0, true
	server, err := stand.RunServerWithOpts(opts, nats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server.ClientURL()
}

// mounted is the folder for a volume, which for one of a Secret has the files of its items.
func mounted(t *testing.T, pod corev1.PodSpec, name string, secrets map[string]map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for _, volume := range pod.Volumes {
		if volume.Name != name || volume.Secret == nil {
			continue
		}
		for _, item := range volume.Secret.Items {
			content, ok := secrets[volume.Secret.SecretName][item.Key]
			if !ok {
				t.Fatalf("Secret %s has no %s", volume.Secret.SecretName, item.Key)
			}
			if err := os.WriteFile(filepath.Join(folder, item.Path), []byte(content), 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder
}

// moved returns args with the paths below from as paths below to.
func moved(args []string, from, to string) []string {
	var all []string
	for _, arg := range args {
		if rest, ok := strings.CutPrefix(arg, from); ok && (rest == "" || rest[0] == '/') {
			arg = to + rest
		}
		all = append(all, arg)
	}
	return all
}

// environment is what a container is given from Secrets.
func environment(c *corev1.Container, secrets map[string]map[string]string) map[string]string {
	given := map[string]string{}
	for _, v := range c.Env {
		if v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		if value, ok := secrets[ref.Name][ref.Key]; ok {
			given[v.Name] = value
		}
	}
	return given
}

// openBus opens a connection as a service does in that environment. It does not wait for it.
func openBus(t *testing.T, url, clientID string, environment map[string]string) *stan.Conn {
	t.Helper()
	for variable, value := range environment {
		t.Setenv(variable, value)
	}
	t.Setenv("NATS_URL", url)
	t.Setenv("NATS_MONITOR_URL", "")
	t.Setenv("NATS_CLIENT_ID", clientID)
	cfg, err := app.LoadConfig[app.BusConfig]()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cfg.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.CloseBus(conn); err != nil {
			t.Logf("close the bus: %v", err)
		}
	})
	return conn
}

// checkTalk publishes an event and waits for it, as a group with a durable.
func checkTalk(t *testing.T, conn *stan.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	channel := strings.ReplaceAll(t.Name(), "/", ":") // one's own
	if err := conn.Connected(ctx); err != nil {
		t.Fatalf("not connected: %v; %s", err, conn.Health().Reason)
	}
	if err := conn.Publish(ctx, channel, []byte("{}")); err != nil {
		t.Fatalf("publish: %v", err)
	}
	received := make(chan string, 1)
	_, err := conn.Subscribe(ctx, bus.Subscription{Channel: channel, Group: "group", Durable: "group"},
		bus.Each(func(_ context.Context, m bus.Message) error {
			received <- string(m.Data)
			return nil
		}))
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	select {
	case got := <-received:
		if got != "{}" {
			t.Errorf("received %s", got)
		}
	case <-ctx.Done():
		t.Error("nothing was received")
	}
}

// awaitRefusal waits until the bus has said no.
func awaitRefusal(t *testing.T, conn *stan.Conn) {
	t.Helper()
	const want = "refuses the credentials"
	for deadline := time.Now().Add(time.Minute); !strings.Contains(conn.Health().Reason, want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the bus said %q, want %q", conn.Health().Reason, want)
		}
	}
	if conn.Health().Connected {
		t.Error("connected all the same")
	}
}
