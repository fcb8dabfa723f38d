package k8s

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// guide shows how to add a service: each of its YAML blocks is a file, or the end of a list that exists.
const guide = "../../docs/kubernetes.md"

// A new service takes what the guide shows, at most 40 lines, and then has what the others have.
func TestAServiceIsAddedAsTheGuideShows(t *testing.T) {
	for _, tt := range []struct {
		service    newService
		objects    []string // in base
		variables  []string
		hasSecrets bool
	}{
		{newService{"refunds", "", []string{"service", "mongo", "bus"}},
			slices.Concat(serviceObjects, mongoObjects), []string{"MONGO_URI", "NATS_CLIENT_ID"}, true},
		{newService{"gift-cards", "/api/gift-cards", []string{"service", "public", "session", "mongo", "bus"}},
			slices.Concat(serviceObjects, mongoObjects, publicObjects), []string{"JWT_KEY", "MONGO_URI", "NATS_CLIENT_ID"}, true},
		{newService{"help", "/help", []string{"service", "public"}},
			slices.Concat(serviceObjects, publicObjects), nil, false},
	} {
		t.Run(tt.service.name, func(t *testing.T) {
			root := addService(t, tt.service)
			folder := filepath.Join(root, "infra/k8s")
			checkAddition(t, render(t, "base"), render(t, filepath.Join(folder, "base")), tt.service.name, tt.objects)
			for _, overlay := range overlays {
				t.Run(overlay, func(t *testing.T) {
					checkOverlay(t, render(t, filepath.Join(folder, overlay)), tt.service, tt.variables)
				})
			}
			if tt.hasSecrets {
				checkSecret(t, fillSecrets(t, folder, t.TempDir()), tt.service.name)
			}
			if !bytes.Contains(readFile(t, filepath.Join(root, "skaffold.yaml")), []byte("image: ticketing/"+tt.service.name+"\n")) {
				t.Error("skaffold.yaml does not build the image")
			}
		})
	}
}

// newService is a service that no manifest names yet. Without a path it has no public route.
type newService struct {
	name, path string
	components []string
}

// The objects of each component, with NAME for the service.
var (
	serviceObjects = []string{
		"ServiceAccount NAME", "Deployment NAME-depl", "Service NAME-srv", "PodDisruptionBudget NAME-budget",
		"HorizontalPodAutoscaler NAME-scaler",
	}
	mongoObjects = []string{
		"StatefulSet NAME-mongo", "Service NAME-mongo-srv", "PodDisruptionBudget NAME-mongo-budget",
		"NetworkPolicy NAME-mongo-policy", "Secret NAME-mongo-secret",
	}
	publicObjects = []string{"NetworkPolicy NAME-policy"}
)

// checkAddition checks that a service came with the wanted objects, and that no other object but the Ingress changed.
func checkAddition(t *testing.T, before, after system, service string, want []string) {
	t.Helper()
	old, now := manifests(t, before), manifests(t, after)
	var added []string
	for o := range now {
		if _, ok := old[o]; !ok {
			added = append(added, o)
			delete(now, o)
		}
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "NAME", service)
	}
	slices.Sort(added)
	slices.Sort(want)
	if diff := cmp.Diff(want, added); diff != "" {
		t.Errorf("objects of %s (-want +got):\n%s", service, diff)
	}
	delete(old, "Ingress ticketing-ingress")
	delete(now, "Ingress ticketing-ingress")
	if diff := cmp.Diff(old, now); diff != "" {
		t.Errorf("%s changes other objects (-before +after):\n%s", service, diff)
	}
}

// checkOverlay checks that an overlay with the service keeps the rules, and gives the service its image, its route and
// its variables. Two variables are for clients of the bus in production, and the rules check them.
func checkOverlay(t *testing.T, s system, service newService, variables []string) {
	t.Helper()
	for rule, find := range rules {
		for _, complaint := range find(s) {
			t.Errorf("%s: %s", rule, complaint)
		}
	}
	if got := s.routes()[service.path]; service.path != "" && got != service.name+"-srv" {
		t.Errorf("%s leads to %q", service.path, got)
	}
	c := container(t, s, service.name+"-depl")
	if want := "ticketing/" + service.name + ":built-by-skaffold"; c.Image != want {
		t.Errorf("the image is %s, want %s", c.Image, want)
	}
	var got []string
	for _, v := range c.Env {
		if v.Name != "NATS_USER" && v.Name != "NATS_PASSWORD" {
			got = append(got, v.Name)
		}
	}
	if diff := cmp.Diff(variables, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// checkSecret checks that secrets.sh has filled the Secret of the service's database.
func checkSecret(t *testing.T, secrets map[string]map[string]string, service string) {
	t.Helper()
	got := secrets[service+"-mongo-secret"]
	want := map[string]string{
		"MONGO_USERNAME": service, "MONGO_PASSWORD": got["MONGO_PASSWORD"],
		"MONGO_URI": "mongodb://" + service + ":" + got["MONGO_PASSWORD"] + "@" + service + "-mongo-srv:27017/?authSource=admin",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got["MONGO_PASSWORD"]) != 64 {
		t.Errorf("the Secret of its database (-want +got):\n%s", diff)
	}
}

// manifests maps the kind and name of each object to its YAML.
func manifests(t testing.TB, s system) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, o := range s {
		manifest, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		found[name(o)] = string(manifest)
	}
	return found
}

// block is a fenced block of the guide. Its first line names a file, from the project's root.
var block = regexp.MustCompile("(?s)```yaml\n# (\\S+)\n(.*?)```")

// addService copies the manifests and adds a service to the copy as the guide does. It returns the root of the copy.
func addService(t *testing.T, service newService) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "infra/k8s"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, "skaffold.yaml"), readFile(t, skaffoldFile))
	lines := 0
	for _, found := range block.FindAllStringSubmatch(string(readFile(t, guide)), -1) {
		text := service.adapt(found[2])
		lines += strings.Count(text, "\n")
		extend(t, filepath.Join(root, service.adapt(found[1])), text)
	}
	if lines < 15 || lines > 40 {
		t.Errorf("it takes %d lines of YAML, want 15 to 40", lines)
	}
	return root
}

// adapt turns the example of the guide into the service: its name, its components and its route, if it has one.
func (service newService) adapt(example string) string {
	if strings.Contains(example, "/api/payments") && service.path == "" {
		return ""
	}
	text := strings.NewReplacer("expiration", service.name, "/api/payments", service.path, "payments", service.name).Replace(example)
	before, _, found := strings.Cut(text, "components:\n")
	if !found {
		return text
	}
	return before + "components:\n- ../../components/" + strings.Join(service.components, "\n- ../../components/") + "\n"
}

// extend makes a file of text, or adds the text to the list at the end of a file that exists. The list of images in
// skaffold.yaml, where a service has several lines, ends at the manifests.
func extend(t *testing.T, file, text string) {
	t.Helper()
	old, err := os.ReadFile(file)
	rest := []byte{}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		t.Fatal(err)
	case filepath.Base(file) == "skaffold.yaml":
		at := bytes.Index(old, []byte("manifests:\n"))
		old, rest = old[:at], old[at:]
	case strings.Count(text, "\n") > 1:
		t.Errorf("%s: the guide adds more than a line to this list:\n%s", file, text)
	}
	writeFile(t, file, slices.Concat(old, []byte(text), rest))
}

func writeFile(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A service is a folder that base lists. Its account has the folder's name. The component of the service comes first,
// because the others patch its Deployment.
func TestEveryServiceIsAFolder(t *testing.T) {
	files, err := filepath.Glob("services/*/" + kustomization)
	if err != nil {
		t.Fatal(err)
	}
	var folders, accounts []string
	for _, file := range files {
		folders = append(folders, filepath.Base(filepath.Dir(file)))
		if used := readKustomization(t, file).Components; len(used) == 0 || used[0] != "../../components/service" {
			t.Errorf("%s: the first component is not ../../components/service: %q", file, used)
		}
	}
	for _, o := range all[*corev1.ServiceAccount](render(t, "base")) {
		accounts = append(accounts, o.Name)
	}
	slices.Sort(accounts)
	if diff := cmp.Diff(folders, accounts); diff != "" {
		t.Errorf("accounts in base (-folders +accounts):\n%s", diff)
	}
}
