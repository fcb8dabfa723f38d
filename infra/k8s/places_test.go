package k8s

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// In production and in base the autoscalers decide.
func TestHowManyPods(t *testing.T) {
	for overlay, want := range map[string]int32{"overlays/dev": 1, "overlays/gateway": 2} {
		for _, w := range render(t, overlay).workloads() {
			if w.isService() && (w.replicas == nil || *w.replicas != want) {
				t.Errorf("%s: %s has not %d replicas", overlay, w, want)
			}
			if !w.isService() && (w.replicas == nil || *w.replicas != 1) {
				t.Errorf("%s: %s must have one replica", overlay, w)
			}
		}
	}
}

func TestProduction(t *testing.T) {
	s := render(t, "overlays/prod")
	for _, w := range s.workloads() {
		if w.isService() {
			if _, ok := get[*autoscalingv2.HorizontalPodAutoscaler](s, strings.TrimSuffix(w.GetName(), "-depl")+"-scaler"); !ok {
				t.Errorf("%s has no autoscaler", w)
			}
			continue
		}
		if image := w.pod.Spec.Containers[0].Image; !strings.Contains(image, "@sha256:") {
			t.Errorf("%s: image %s is not named by digest", w, image)
		}
	}
	ingress := must[*networkingv1.Ingress](t, s, "ticketing-ingress")
	if len(ingress.Spec.TLS) != 1 || !slices.Contains(ingress.Spec.TLS[0].Hosts, ingress.Spec.Rules[0].Host) {
		t.Errorf("TLS is %+v, want the host of the rule", ingress.Spec.TLS)
	}
	if ingress.Annotations["cert-manager.io/cluster-issuer"] == "" {
		t.Error("nobody issues the certificate")
	}
	if kept := len(all[*corev1.Secret](s)) + len(all[*corev1.PersistentVolumeClaim](s)); kept != 0 {
		t.Errorf("%d Secrets and claims would be deleted with the system", kept)
	}
}

func TestTheGatewayTakesThePlaceOfTheIngress(t *testing.T) {
	s := render(t, "overlays/gateway")
	if len(all[*networkingv1.Ingress](s)) != 0 {
		t.Error("there is an Ingress beside the gateway")
	}
	route := must[*gatewayv1.HTTPRoute](t, s, "ticketing-route")
	gateway := must[*gatewayv1.Gateway](t, s, string(route.Spec.ParentRefs[0].Name))
	if route.Spec.Hostnames[0] != *gateway.Spec.Listeners[0].Hostname {
		t.Errorf("the route is for %v, the gateway listens for %v", route.Spec.Hostnames, *gateway.Spec.Listeners[0].Hostname)
	}
}

// The same paths lead to the same services by the gateway and by the ingress, and each service serves its paths.
func TestRoutesLeadToTheServicesThatServeThem(t *testing.T) {
	byIngress, byGateway := render(t, "base").routes(), render(t, "overlays/gateway").routes()
	if diff := cmp.Diff(byIngress, byGateway); diff != "" {
		t.Errorf("the gateway has other routes (-ingress +gateway):\n%s", diff)
	}
	for path, backend := range byIngress {
		folder := filepath.Join("../../services", strings.TrimSuffix(backend, "-srv"))
		served := regexp.MustCompile(`[" ]` + regexp.QuoteMeta(path) + `["/{]`)
		if !slices.ContainsFunc(sources(t, folder), served.Match) {
			t.Errorf("%s leads to %s, but nothing in %s serves it", path, backend, folder)
		}
	}
}

// sources are the Go files of a folder, without its tests.
func sources(t testing.TB, folder string) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			all = append(all, readFile(t, file))
		}
	}
	return all
}

// The bus must know its clients apart, and a pod's name is unique.
func TestTheClientIDIsThePodsName(t *testing.T) {
	for _, w := range busClients(t, render(t, "base")) {
		v, _ := variable(w, "NATS_CLIENT_ID")
		if v.ValueFrom == nil || v.ValueFrom.FieldRef == nil || v.ValueFrom.FieldRef.FieldPath != "metadata.name" {
			t.Errorf("%s: NATS_CLIENT_ID is not the pod's name", w)
		}
	}
}

// A variable that is spelled wrong would be ignored, and its default used without a word.
func TestEveryVariableIsReadBySomeService(t *testing.T) {
	read := map[string]bool{}
	for _, pattern := range []string{"../../pkg/app/*.go", "../../pkg/telemetry/*.go", "../../pkg/payment/*/*.go", "../../services/*/*.go", "../../services/*/cmd/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			for _, tag := range regexp.MustCompile(`envconfig:"([A-Z_]+)"`).FindAllSubmatch(readFile(t, file), -1) {
				read[string(tag[1])] = true
			}
		}
	}
	s := render(t, "base")
	for _, config := range all[*corev1.ConfigMap](s) {
		for variable := range config.Data {
			if !read[variable] {
				t.Errorf("ConfigMap %s: no service reads %s", config.Name, variable)
			}
		}
	}
	for _, w := range s.workloads() {
		for _, v := range w.pod.Spec.Containers[0].Env {
			if w.isService() && !read[v.Name] {
				t.Errorf("%s: no service reads %s", w, v.Name)
			}
		}
	}
}

const (
	skaffoldFile = "../../skaffold.yaml"
	verifyJob    = "verify/smoke.yaml"
)

// Skaffold replaces the images of ours with those it has built, so it must build each.
func TestSkaffoldBuildsTheServices(t *testing.T) {
	skaffold := string(readFile(t, skaffoldFile))
	for _, w := range render(t, "base").workloads() {
		image, _, _ := strings.Cut(w.pod.Spec.Containers[0].Image, ":")
		if w.isService() && !strings.Contains(skaffold, "image: "+image+"\n") {
			t.Errorf("%s: %s does not build %s", w, skaffoldFile, image)
		}
	}
}

// The job of `skaffold verify` is let in by the ingress only, and keeps the rules for pods.
func TestTheJobThatVerifies(t *testing.T) {
	objects, err := decode(newDecoder(t), verifyJob, readFile(t, verifyJob))
	if err != nil {
		t.Fatal(err)
	}
	for _, find := range []rule{labelled, restricted, limited, tagged} {
		for _, complaint := range find(objects) {
			t.Error(complaint)
		}
	}
	if !strings.Contains(string(readFile(t, skaffoldFile)), "jobManifestPath: infra/k8s/"+verifyJob+"\n") {
		t.Errorf("%s does not use %s", skaffoldFile, verifyJob)
	}
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	for _, secret := range all[*corev1.Secret](render(t, "base")) {
		if len(secret.Data)+len(secret.StringData) != 0 {
			t.Errorf("Secret %s has content", secret.Name)
		}
	}
	if _, err := os.Stat("secrets.sh"); err != nil {
		t.Errorf("nobody fills the Secrets: %v", err)
	}
}
