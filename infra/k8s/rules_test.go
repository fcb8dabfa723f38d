package k8s

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rule returns what it finds wrong with a system, each in a line that names object and field.
type rule func(system) []string

// rules are what every overlay keeps.
var rules = map[string]rule{
	"labels":      labelled,
	"credentials": credentialed,
	"security":    restricted,
	"limits":      limited,
	"images":      tagged,
	"probes":      probed,
	"endings":     endsInTime,
	"tokens":      tokenless,
	"references":  spoken,
	"selectors":   selecting,
	"services":    targeted,
	"routes":      routed,
	"budgets":     budgeted,
	"policies":    guarded,
	"scalers":     scaled,
	"admissions":  admitted,
	"names":       named,
}

func TestEveryOverlayKeepsTheRules(t *testing.T) {
	for _, overlay := range overlays {
		s := render(t, overlay)
		for name, find := range rules {
			t.Run(overlay+"/"+name, func(t *testing.T) {
				for _, complaint := range find(s) {
					t.Error(complaint)
				}
			})
		}
	}
}

// Every rule finds the mistake it is there for.
func TestRulesFindMistakes(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		spoil func(t *testing.T, s system)
		want  string
	}{
		{"labels", func(t *testing.T, s system) {
			delete(must[*corev1.Service](t, s, "auth-srv").Labels, "app.kubernetes.io/name")
		},
			"Service auth-srv: has no label app.kubernetes.io/name"},
		{"security", func(t *testing.T, s system) {
			must[*appsv1.Deployment](t, s, "nats-depl").Spec.Template.Spec.SecurityContext.RunAsNonRoot = nil
		}, "Deployment nats-depl: not restricted: runAsNonRoot != true"},
		{"security", func(t *testing.T, s system) {
			container(t, s, "auth-depl").SecurityContext.ReadOnlyRootFilesystem = nil
		},
			"Deployment auth-depl: container auth can write to its root file system"},
		{"limits", func(t *testing.T, s system) { delete(container(t, s, "auth-depl").Resources.Limits, "memory") },
			"Deployment auth-depl: container auth has no limit of memory"},
		{"images", func(t *testing.T, s system) { container(t, s, "nats-depl").Image = "nats-streaming:latest" },
			"Deployment nats-depl: image nats-streaming:latest names no release"},
		{"images", func(t *testing.T, s system) { container(t, s, "nats-depl").Image = "10.0.0.1:5000/nats" },
			"Deployment nats-depl: image 10.0.0.1:5000/nats names no release"},
		{"probes", func(t *testing.T, s system) { container(t, s, "auth-depl").LivenessProbe = nil },
			"Deployment auth-depl: container auth has no livenessProbe"},
		{"probes", func(t *testing.T, s system) {
			container(t, s, "auth-depl").ReadinessProbe.HTTPGet.Port = intstr.FromString("amdin")
		}, "Deployment auth-depl: readinessProbe of auth asks port amdin, which is none of its ports"},
		{"endings", func(t *testing.T, s system) { container(t, s, "auth-depl").Lifecycle.PreStop.Sleep.Seconds = 20 },
			"Deployment auth-depl: 30 s to end leave 10 s after preStop, want at least 25 s"},
		{"tokens", func(t *testing.T, s system) {
			must[*appsv1.Deployment](t, s, "auth-depl").Spec.Template.Spec.ServiceAccountName = "default"
		},
			`Deployment auth-depl: there is no ServiceAccount "default"`},
		{"references", func(t *testing.T, s system) {
			container(t, s, "auth-depl").Env[0].ValueFrom.SecretKeyRef.Optional = nil
		},
			"Deployment auth-depl: JWT_KEY is not optional, so without it the service cannot say so"},
		{"references", func(t *testing.T, s system) { container(t, s, "auth-depl").Env[0].ValueFrom.SecretKeyRef.Name = "jwt" },
			`Deployment auth-depl: JWT_KEY comes from Secret "jwt", which there is not`},
		{"credentials", func(t *testing.T, s system) {
			demandCredentials(must[*appsv1.Deployment](t, s, "nats-depl"))
		}, `Deployment orders-depl: NATS_PASSWORD comes from "", want "nats-secret"`},
		{"credentials", func(t *testing.T, s system) {
			c := container(t, s, "auth-depl")
			c.Env = append(c.Env, corev1.EnvVar{Name: "NATS_USER", Value: "services"})
		}, `Deployment auth-depl: NATS_USER comes from "another place", want ""`},
		{"credentials", func(t *testing.T, s system) {
			c := container(t, s, "nats-depl")
			c.Args = append(c.Args, "-c", "/tmp/nats.conf")
		}, "Deployment nats-depl: /tmp/nats.conf is in no Secret"},
		{"selectors", func(t *testing.T, s system) {
			must[*corev1.Service](t, s, "auth-srv").Spec.Selector = map[string]string{"app": "auth"}
		},
			"Service auth-srv: its selector takes no pods, want those of one workload"},
		{"services", func(t *testing.T, s system) {
			must[*corev1.Service](t, s, "auth-srv").Spec.Ports[0].TargetPort = intstr.FromString("web")
		}, "Service auth-srv: port http targets web, which Deployment auth-depl has not"},
		{"routes", func(t *testing.T, s system) {
			must[*networkingv1.Ingress](t, s, "ticketing-ingress").Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "users-srv"
		}, "Ingress ticketing-ingress: /api/users goes to users-srv:http, which there is not"},
		{"budgets", func(t *testing.T, s system) {
			must[*policyv1.PodDisruptionBudget](t, s, "nats-budget").Spec.Selector.MatchLabels["x"] = "y"
		},
			"Deployment nats-depl: 0 budgets, want 1"},
		{"policies", func(t *testing.T, s system) {
			must[*networkingv1.NetworkPolicy](t, s, "auth-mongo-policy").Spec.Ingress[0].From = nil
		}, "NetworkPolicy auth-mongo-policy: lets everybody in"},
		{"policies", func(t *testing.T, s system) {
			paths := must[*networkingv1.Ingress](t, s, "ticketing-ingress").Spec.Rules[0].HTTP
			paths.Paths = slices.DeleteFunc(paths.Paths, func(p networkingv1.HTTPIngressPath) bool { return p.Path == "/api/users" })
		}, "Deployment auth-depl: denied by default: true, and 1 policies of its own, want 0"},
		{"scalers", func(t *testing.T, s system) {
			must[*appsv1.Deployment](t, s, "auth-depl").Spec.Replicas = new(int32)
		}, "HorizontalPodAutoscaler auth-scaler: auth-depl has replicas of its own"},
		{"admissions", func(t *testing.T, s system) {
			delete(must[*appsv1.Deployment](t, s, "orders-depl").Spec.Template.Labels, "bus")
		}, "Deployment orders-depl: NetworkPolicy nats-policy lets it in: false, want true"},
		{"admissions", func(t *testing.T, s system) {
			must[*appsv1.Deployment](t, s, "auth-depl").Spec.Template.Labels["bus"] = "client"
		}, "Deployment auth-depl: NetworkPolicy nats-policy lets it in: true, want false"},
		{"admissions", func(t *testing.T, s system) {
			container(t, s, "auth-depl").Env = nil
		}, "Deployment auth-depl: NetworkPolicy auth-mongo-policy lets it in: true, want false"},
		{"names", func(t *testing.T, s system) {
			must[*appsv1.Deployment](t, s, "auth-depl").Spec.Template.Spec.ServiceAccountName = "NAME"
		}, "Deployment auth-depl: the placeholder NAME is left in it"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := render(t, "base")
			tt.spoil(t, s)
			if got := rules[tt.rule](s); !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, tt.want) }) {
				t.Errorf("complaints are %q, want %q", got, tt.want)
			}
		})
	}
}

func must[T object](t testing.TB, s system, name string) T {
	t.Helper()
	o, ok := get[T](s, name)
	if !ok {
		t.Fatalf("there is no %T %s", o, name)
	}
	return o
}

func container(t testing.TB, s system, deployment string) *corev1.Container {
	t.Helper()
	return &must[*appsv1.Deployment](t, s, deployment).Spec.Template.Spec.Containers[0]
}

// name is how complaints call an object.
func name(o object) string {
	return fmt.Sprintf("%s %s", o.GetObjectKind().GroupVersionKind().Kind, o.GetName())
}
