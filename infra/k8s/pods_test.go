package k8s

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// restricted: Pod Security "restricted", by the code with which the API server enforces it, and a root file
// system that cannot be written.
func restricted(s system) (complaints []string) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return []string{err.Error()}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, w := range s.pods() {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &w.pod.ObjectMeta, &w.pod.Spec))
		if !result.Allowed {
			complaints = append(complaints, fmt.Sprintf("%s: not restricted: %s", w, result.ForbiddenDetail()))
		}
		for _, c := range w.pod.Spec.Containers {
			if sc := c.SecurityContext; sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem {
				complaints = append(complaints, fmt.Sprintf("%s: container %s can write to its root file system", w, c.Name))
			}
		}
	}
	return complaints
}

// limited: every container says what it needs and what it may take at most.
func limited(s system) (complaints []string) {
	for _, w := range s.pods() {
		for _, c := range w.pod.Spec.Containers {
			for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if _, ok := c.Resources.Limits[resource]; !ok {
					complaints = append(complaints, fmt.Sprintf("%s: container %s has no limit of %s", w, c.Name, resource))
				}
				if _, ok := c.Resources.Requests[resource]; !ok {
					complaints = append(complaints, fmt.Sprintf("%s: container %s has no request of %s", w, c.Name, resource))
				}
			}
		}
	}
	return complaints
}

// tagged: every image names its release, by digest or by a tag other than latest.
func tagged(s system) (complaints []string) {
	for _, w := range s.pods() {
		for _, c := range w.pod.Spec.Containers {
			_, tag, _ := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
			if tag == "" || tag == "latest" {
				complaints = append(complaints, fmt.Sprintf("%s: image %s names no release", w, c.Image))
			}
		}
	}
	return complaints
}

// probed: every container has all three probes, on ports that it has.
func probed(s system) (complaints []string) {
	for _, w := range s.workloads() {
		for _, c := range w.pod.Spec.Containers {
			for kind, probe := range map[string]*corev1.Probe{
				"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe, "livenessProbe": c.LivenessProbe,
			} {
				port, ok := probedPort(probe)
				switch {
				case !ok:
					complaints = append(complaints, fmt.Sprintf("%s: container %s has no %s", w, c.Name, kind))
				case !w.hasPort(port.String()):
					complaints = append(complaints, fmt.Sprintf("%s: %s of %s asks port %s, which is none of its ports", w, kind, c.Name, &port))
				}
			}
		}
	}
	return complaints
}

func probedPort(p *corev1.Probe) (port intstr.IntOrString, ok bool) {
	switch {
	case p == nil:
		return port, false
	case p.HTTPGet != nil:
		return p.HTTPGet.Port, true
	case p.TCPSocket != nil:
		return p.TCPSocket.Port, true
	}
	return port, false
}

// shutdown is how long a service may take to end: 8 s for open requests (httpapi.Serve), 5 s for events that
// are being handled (the AckWait of replica.Consumer), 2 s to leave the bus (app.CloseBus), 5 s to leave the
// database (mongo.DB.Close), and some reserve.
const shutdown = 25

// endsInTime: a pod is not killed before its preStop and its shutdown have ended.
func endsInTime(s system) (complaints []string) {
	for _, w := range s.workloads() {
		if !w.isService() {
			continue
		}
		var grace, preStop int64
		if g := w.pod.Spec.TerminationGracePeriodSeconds; g != nil {
			grace = *g
		}
		for _, c := range w.pod.Spec.Containers {
			if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil {
				complaints = append(complaints, fmt.Sprintf("%s: container %s does not wait before it stops", w, c.Name))
				continue
			}
			preStop = max(preStop, c.Lifecycle.PreStop.Sleep.Seconds)
		}
		if grace-preStop < shutdown {
			complaints = append(complaints, fmt.Sprintf("%s: %d s to end leave %d s after preStop, want at least %d s", w, grace, grace-preStop, shutdown))
		}
	}
	return complaints
}

// tokenless: no pod can speak to the API server, and every service has an account of its own.
func tokenless(s system) (complaints []string) {
	for _, w := range s.workloads() {
		if mounts := w.pod.Spec.AutomountServiceAccountToken; mounts == nil || *mounts {
			complaints = append(complaints, fmt.Sprintf("%s: mounts a token", w))
		}
		if _, ok := get[*corev1.ServiceAccount](s, w.pod.Spec.ServiceAccountName); w.isService() && !ok {
			complaints = append(complaints, fmt.Sprintf("%s: there is no ServiceAccount %q", w, w.pod.Spec.ServiceAccountName))
		}
	}
	return complaints
}

// spoken: what the environment refers to is there, and a service starts without it and says what it misses.
func spoken(s system) (complaints []string) {
	for _, w := range s.workloads() {
		for _, c := range w.pod.Spec.Containers {
			for _, from := range c.EnvFrom {
				complaints = append(complaints, checkReference(s, w, "envFrom", "ConfigMap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional)...)
			}
			for _, env := range c.Env {
				if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
					ref := env.ValueFrom.SecretKeyRef
					complaints = append(complaints, checkReference(s, w, env.Name, "Secret", ref.Name, ref.Optional)...)
				}
			}
		}
	}
	return complaints
}

func checkReference(s system, w workload, variable, kind, referred string, optional *bool) (complaints []string) {
	if w.isService() && (optional == nil || !*optional) {
		complaints = append(complaints, fmt.Sprintf("%s: %s is not optional, so without it the service cannot say so", w, variable))
	}
	var found bool
	switch kind {
	case "ConfigMap":
		_, found = get[*corev1.ConfigMap](s, referred)
	default:
		_, found = get[*corev1.Secret](s, referred)
		found = found || len(all[*corev1.Secret](s)) == 0 // an overlay without any has them from elsewhere
	}
	if !found {
		complaints = append(complaints, fmt.Sprintf("%s: %s comes from %s %q, which there is not", w, variable, kind, referred))
	}
	return complaints
}
