package k8s

import (
	"fmt"
	"regexp"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// admitted: the bus and a database let a service in if and only if its environment names them, the public services let in
// web, which calls their API, and no other policy lets a service in.
func admitted(s system) (complaints []string) {
	for _, w := range s.workloads() {
		if !w.isService() {
			continue
		}
		service := strings.TrimSuffix(w.GetName(), "-depl")
		for _, o := range all[*networkingv1.NetworkPolicy](s) {
			in, set := letsIn(o, w), false
			switch {
			case o.Name == "nats-policy":
				set = w.isOnBus()
			case o.Name == service+"-mongo-policy":
				_, set = variable(w, "MONGO_URI")
			case o.Labels["app.kubernetes.io/component"] == "service":
				set = service == "web"
			}
			if set != in {
				complaints = append(complaints, fmt.Sprintf("%s: %s lets it in: %v, want %v", w, name(o), in, set))
			}
		}
	}
	return complaints
}

// letsIn reports whether a policy lets in the pods of w.
func letsIn(o *networkingv1.NetworkPolicy, w workload) bool {
	for _, rule := range o.Spec.Ingress {
		for _, from := range rule.From {
			if from.NamespaceSelector == nil && w.isSelectedBy(from.PodSelector) {
				return true
			}
		}
	}
	return false
}

// placeholder is what the components have where a service's name belongs.
var placeholder = regexp.MustCompile(`\bNAME\b`)

// named: the name of a service is in every place of its components.
func named(s system) (complaints []string) {
	for _, o := range s {
		manifest, err := yaml.Marshal(o)
		if err != nil {
			return []string{fmt.Sprintf("%s: %v", name(o), err)}
		}
		if placeholder.Match(manifest) {
			complaints = append(complaints, name(o)+": the placeholder NAME is left in it")
		}
	}
	return complaints
}
