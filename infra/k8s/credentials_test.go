package k8s

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// credentialed: the services on the bus are given user and password from the Secret in which the bus has what it
// demands, and nobody else is; where it demands nothing, nobody is.
func credentialed(s system) (complaints []string) {
	demanded, err := demandedOnTheBus(s)
	if err != nil {
		return []string{err.Error()}
	}
	for _, w := range s.workloads() {
		if !w.isService() {
			continue
		}
		want := ""
		if w.isOnBus() {
			want = demanded
		}
		for _, name := range []string{"NATS_USER", "NATS_PASSWORD"} {
			if got := secretOf(w, name); got != want {
				complaints = append(complaints, fmt.Sprintf("%s: %s comes from %q, want %q", w, name, got, want))
			}
		}
	}
	return complaints
}

// secretOf is the Secret from which w is given a variable under the key of the same name; empty where it is not
// given it.
func secretOf(w workload, name string) string {
	v, ok := variable(w, name)
	switch {
	case !ok:
		return ""
	case v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil || v.ValueFrom.SecretKeyRef.Key != name:
		return "another place"
	}
	return v.ValueFrom.SecretKeyRef.Name
}

// demandedOnTheBus is the Secret with the server's configuration, and so with what it demands; empty for a server
// that has none.
func demandedOnTheBus(s system) (secret string, err error) {
	d, ok := get[*appsv1.Deployment](s, "nats-depl")
	if !ok {
		return "", errors.New("there is no Deployment nats-depl")
	}
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	at := slices.Index(c.Args, "-c")
	if at < 0 {
		return "", nil
	}
	file := c.Args[at+1]
	for _, mount := range c.VolumeMounts {
		if mount.MountPath != path.Dir(file) {
			continue
		}
		for _, volume := range pod.Volumes {
			if volume.Name == mount.Name && volume.Secret != nil {
				return volume.Secret.SecretName, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %s is in no Secret", name(d), file)
}

// variable returns what w's container is given under a name.
func variable(w workload, name string) (v corev1.EnvVar, ok bool) {
	env := w.pod.Spec.Containers[0].Env
	at := slices.IndexFunc(env, func(v corev1.EnvVar) bool { return v.Name == name })
	if at < 0 {
		return v, false
	}
	return env[at], true
}

func TestTheBusDemandsCredentialsInProductionAlone(t *testing.T) {
	for overlay, want := range map[string]string{"base": "", "overlays/dev": "", "overlays/gateway": "", "overlays/prod": "nats-secret"} {
		if got, err := demandedOnTheBus(render(t, overlay)); got != want || err != nil {
			t.Errorf("%s: the bus demands what is in Secret %q, %v, want %q", overlay, got, err, want)
		}
	}
}

// demandCredentials makes the server read a configuration out of nats-secret.
func demandCredentials(bus *appsv1.Deployment) {
	pod := &bus.Spec.Template.Spec
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "credentials", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: "nats-secret"},
	}})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "credentials", MountPath: "/etc/nats"})
	c.Args = append(c.Args, "-c", "/etc/nats/nats.conf")
}
