package k8s

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestServicesKnowTheBrokersVolume: the days that its log has left are those of the volume that it is on. In
// overlays/prod the claim is made by hand, from the same file.
func TestServicesKnowTheBrokersVolume(t *testing.T) {
	for _, overlay := range []string{"base", "overlays/dev"} {
		s := render(t, overlay)
		config, found := get[*corev1.ConfigMap](s, "ticketing-config")
		claim, claimed := get[*corev1.PersistentVolumeClaim](s, "nats-data")
		if !found || !claimed {
			t.Fatalf("%s: no ticketing-config or no nats-data", overlay)
		}
		told, err := resource.ParseQuantity(config.Data["BROKER_VOLUME"])
		if err != nil {
			t.Fatalf("%s: BROKER_VOLUME: %v", overlay, err)
		}
		if asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]; told.Cmp(asked) != 0 {
			t.Errorf("%s: services are told of %v, and the broker asks for %v", overlay, &told, &asked)
		}
	}
}
