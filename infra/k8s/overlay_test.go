package k8s

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// overlays are the folders that can be deployed.
var overlays = []string{"base", "overlays/dev", "overlays/prod", "overlays/gateway"}

// system is what an overlay deploys.
type system []object

// render builds an overlay, given by its folder, as `kubectl kustomize` does, and decodes it.
func render(t testing.TB, overlay string) system {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), overlay)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(newDecoder(t), overlay, manifest)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// all returns the objects of one type.
func all[T object](s system) (found []T) {
	for _, o := range s {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// get returns the object of a type and name.
func get[T object](s system, name string) (found T, ok bool) {
	for _, o := range all[T](s) {
		if o.GetName() == name {
			return o, true
		}
	}
	return found, false
}

// workload is what a Deployment and a StatefulSet have in common.
type workload struct {
	object
	replicas *int32
	selector *metav1.LabelSelector
	pod      *corev1.PodTemplateSpec
}

func (w workload) String() string {
	return fmt.Sprintf("%s %s", w.GetObjectKind().GroupVersionKind().Kind, w.GetName())
}

// isService reports whether w is a service of this project, not the bus or a database.
func (w workload) isService() bool { return w.pod.Labels["app.kubernetes.io/component"] == "service" }

// isOnBus reports whether w is a client of the bus.
func (w workload) isOnBus() bool {
	_, ok := variable(w, "NATS_CLIENT_ID")
	return w.isService() && ok
}

// isSelectedBy reports whether a selector takes the pods of w. An empty one takes all, nil takes none.
func (w workload) isSelectedBy(selector *metav1.LabelSelector) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(w.pod.Labels))
}

// hasPort reports whether a container of w has a port of this name.
func (w workload) hasPort(name string) bool {
	for _, c := range w.pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return true
			}
		}
	}
	return false
}

func (s system) workloads() (found []workload) {
	for _, d := range all[*appsv1.Deployment](s) {
		found = append(found, workload{d, d.Spec.Replicas, d.Spec.Selector, &d.Spec.Template})
	}
	for _, d := range all[*appsv1.StatefulSet](s) {
		found = append(found, workload{d, d.Spec.Replicas, d.Spec.Selector, &d.Spec.Template})
	}
	return found
}

// pods are all that runs: the workloads, and what runs once.
func (s system) pods() []workload {
	found := s.workloads()
	for _, j := range all[*batchv1.Job](s) {
		found = append(found, workload{object: j, pod: &j.Spec.Template})
	}
	return found
}

// A file that no kustomization names is checked but never applied.
func TestEveryFileIsUsed(t *testing.T) {
	used := map[string]bool{verifyJob: true}
	for _, overlay := range overlays {
		used[filepath.Join(overlay, kustomization)] = true
	}
	for _, file := range yamlFiles(t) {
		if filepath.Base(file) != kustomization {
			continue
		}
		k := readKustomization(t, file)
		paths := slices.Concat(k.Resources, k.Components)
		for _, patch := range k.Patches {
			paths = append(paths, patch.Path)
		}
		for _, path := range paths {
			path = filepath.Join(filepath.Dir(file), path)
			if filepath.Ext(path) == "" { // a folder
				path = filepath.Join(path, kustomization)
			}
			used[path] = true
		}
	}
	for _, file := range yamlFiles(t) {
		if !used[file] {
			t.Errorf("%s: nobody names it", file)
		}
	}
}

// kustomization is the name of the file that makes a folder one that kustomize builds.
const kustomization = "kustomization.yaml"

func readKustomization(t testing.TB, file string) (k types.Kustomization) {
	t.Helper()
	if err := yaml.UnmarshalStrict(readFile(t, file), &k); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return k
}
