package k8s

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// labelled: everything carries the labels that Kubernetes recommends, pods included.
func labelled(s system) (complaints []string) {
	check := func(o string, labels map[string]string) {
		for _, label := range []string{"name", "component", "part-of"} {
			if label = "app.kubernetes.io/" + label; labels[label] == "" {
				complaints = append(complaints, fmt.Sprintf("%s: has no label %s", o, label))
			}
		}
	}
	for _, o := range s {
		check(name(o), o.GetLabels())
	}
	for _, w := range s.workloads() {
		check("pods of "+w.String(), w.pod.Labels)
	}
	return complaints
}

// selecting: every selector takes the pods of exactly one workload, and a workload's own takes its pods.
func selecting(s system) (complaints []string) {
	check := func(o string, selector *metav1.LabelSelector) {
		var taken []string
		for _, w := range s.workloads() {
			if w.isSelectedBy(selector) {
				taken = append(taken, w.String())
			}
		}
		switch len(taken) {
		case 0:
			complaints = append(complaints, o+": its selector takes no pods, want those of one workload")
		case 1:
		default:
			complaints = append(complaints, fmt.Sprintf("%s: its selector takes the pods of %q, want those of one workload", o, taken))
		}
	}
	for _, w := range s.workloads() {
		check(w.String(), w.selector)
		if !w.isSelectedBy(w.selector) {
			complaints = append(complaints, w.String()+": its selector does not take its own pods")
		}
	}
	for _, o := range all[*corev1.Service](s) {
		check(name(o), &metav1.LabelSelector{MatchLabels: o.Spec.Selector})
	}
	for _, o := range all[*policyv1.PodDisruptionBudget](s) {
		check(name(o), o.Spec.Selector)
	}
	for _, o := range all[*networkingv1.NetworkPolicy](s) {
		if !deniesAll(o) {
			check(name(o), &o.Spec.PodSelector)
		}
	}
	return complaints
}

// targeted: every port of a Service is a port of the pods behind it.
func targeted(s system) (complaints []string) {
	for _, o := range all[*corev1.Service](s) {
		for _, w := range s.workloads() {
			if !w.isSelectedBy(&metav1.LabelSelector{MatchLabels: o.Spec.Selector}) {
				continue
			}
			for _, p := range o.Spec.Ports {
				if !w.hasPort(p.TargetPort.String()) {
					complaints = append(complaints, fmt.Sprintf("%s: port %s targets %s, which %s has not", name(o), p.Name, &p.TargetPort, w))
				}
			}
		}
	}
	return complaints
}

// routes maps every public path to the name of the Service behind it.
func (s system) routes() map[string]string {
	routes := map[string]string{}
	for _, o := range all[*networkingv1.Ingress](s) {
		for _, r := range o.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				routes[p.Path] = p.Backend.Service.Name
			}
		}
	}
	for _, o := range all[*gatewayv1.HTTPRoute](s) {
		for _, r := range o.Spec.Rules {
			routes[*r.Matches[0].Path.Value] = string(r.BackendRefs[0].Name)
		}
	}
	return routes
}

// isPublic reports whether a route leads to w.
func (s system) isPublic(w workload) bool {
	for _, backend := range s.routes() {
		o, ok := get[*corev1.Service](s, backend)
		if ok && w.isSelectedBy(&metav1.LabelSelector{MatchLabels: o.Spec.Selector}) {
			return true
		}
	}
	return false
}

// routed: there are routes, and each leads to a port that exists.
func routed(s system) (complaints []string) {
	for _, o := range all[*networkingv1.Ingress](s) {
		for _, r := range o.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				backend := p.Backend.Service
				if !s.hasServicePort(backend.Name, func(q corev1.ServicePort) bool { return q.Name == backend.Port.Name }) {
					complaints = append(complaints, fmt.Sprintf("%s: %s goes to %s:%s, which there is not", name(o), p.Path, backend.Name, backend.Port.Name))
				}
			}
		}
	}
	for _, o := range all[*gatewayv1.HTTPRoute](s) {
		for _, r := range o.Spec.Rules {
			path, backend := *r.Matches[0].Path.Value, r.BackendRefs[0]
			if !s.hasServicePort(string(backend.Name), func(q corev1.ServicePort) bool { return q.Port == int32(*backend.Port) }) {
				complaints = append(complaints, fmt.Sprintf("%s: %s goes to %s:%d, which there is not", name(o), path, backend.Name, *backend.Port))
			}
		}
	}
	if len(s.routes()) == 0 {
		complaints = append(complaints, "there are no routes")
	}
	return complaints
}

func (s system) hasServicePort(service string, is func(corev1.ServicePort) bool) bool {
	o, ok := get[*corev1.Service](s, service)
	return ok && slices.ContainsFunc(o.Spec.Ports, is)
}

// budgeted: every workload has one disruption budget, and none that forbids to drain a node.
func budgeted(s system) (complaints []string) {
	for _, w := range s.workloads() {
		count := 0
		for _, o := range all[*policyv1.PodDisruptionBudget](s) {
			if w.isSelectedBy(o.Spec.Selector) {
				count++
			}
		}
		if count != 1 {
			complaints = append(complaints, fmt.Sprintf("%s: %d budgets, want 1", w, count))
		}
	}
	for _, o := range all[*policyv1.PodDisruptionBudget](s) {
		if o.Spec.MaxUnavailable == nil || o.Spec.MaxUnavailable.IntValue() < 1 {
			complaints = append(complaints, name(o)+": maxUnavailable is not at least 1")
		}
	}
	return complaints
}

// guarded: nobody reaches a pod unless the one policy of its own names them and the port. A service without a
// public route has no such policy: nobody reaches it.
func guarded(s system) (complaints []string) {
	for _, w := range s.workloads() {
		denied, allowed := false, 0
		for _, o := range all[*networkingv1.NetworkPolicy](s) {
			switch {
			case !w.isSelectedBy(&o.Spec.PodSelector):
			case deniesAll(o):
				denied = true
			default:
				allowed++
			}
		}
		want := 1
		if w.isService() && !s.isPublic(w) {
			want = 0
		}
		if !denied || allowed != want {
			complaints = append(complaints, fmt.Sprintf("%s: denied by default: %v, and %d policies of its own, want %d", w, denied, allowed, want))
		}
	}
	for _, o := range all[*networkingv1.NetworkPolicy](s) {
		for _, rule := range o.Spec.Ingress {
			if len(rule.From) == 0 {
				complaints = append(complaints, name(o)+": lets everybody in")
			}
			if len(rule.Ports) == 0 {
				complaints = append(complaints, name(o)+": opens all ports")
			}
		}
	}
	return complaints
}

func deniesAll(o *networkingv1.NetworkPolicy) bool {
	return len(o.Spec.Ingress) == 0 && slices.Contains(o.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
}

// scaled: every autoscaler has a target, which keeps no number of its own against it.
func scaled(s system) (complaints []string) {
	for _, o := range all[*autoscalingv2.HorizontalPodAutoscaler](s) {
		target := o.Spec.ScaleTargetRef
		at := slices.IndexFunc(s.workloads(), func(w workload) bool { return w.String() == target.Kind+" "+target.Name })
		switch {
		case at < 0:
			complaints = append(complaints, fmt.Sprintf("%s: there is no %s %s", name(o), target.Kind, target.Name))
		case s.workloads()[at].replicas != nil:
			complaints = append(complaints, fmt.Sprintf("%s: %s has replicas of its own", name(o), target.Name))
		}
		if o.Spec.MinReplicas == nil || *o.Spec.MinReplicas < 2 {
			complaints = append(complaints, name(o)+": minReplicas is not at least 2")
		}
	}
	return complaints
}
