package k8s

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// kubectl stands in for the program in secrets.sh. It keeps the patches of a Secret in a file of the Secret's name,
// and a Secret with a patch is not empty. For the rendered base it takes what the test rendered, which is a name for
// each object that the script is to apply.
const kubectl = `#!/bin/sh
case "$*" in
"kustomize base") printf %s "$APPLIED" ;;
"apply -f - -l app.kubernetes.io/component=secret -o name") cat ;;
"get secret "*) cat "$STATE/$3" 2>/dev/null || true ;;
"patch secret "*) cat >>"$STATE/$3" ;;
*) echo "unexpected: kubectl $*" >&2; exit 1 ;;
esac
`

// fillSecrets runs the secrets.sh of a folder in a cluster that holds what is in the folder state. It returns what
// the cluster holds then.
func fillSecrets(t testing.TB, folder, state string) map[string]map[string]string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o700); err != nil {
		t.Fatal(err)
	}
	var applied strings.Builder
	for _, o := range render(t, filepath.Join(folder, "base")) {
		if o.GetLabels()["app.kubernetes.io/component"] == "secret" {
			fmt.Fprintf(&applied, "%s/%s\n", strings.ToLower(o.GetObjectKind().GroupVersionKind().Kind), o.GetName())
		}
	}
	script := exec.CommandContext(t.Context(), "./secrets.sh")
	script.Dir = folder
	script.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "STATE=" + state, "APPLIED=" + applied.String()}
	if output, err := script.CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v: %s", err, output)
	}
	entries, err := os.ReadDir(state)
	if err != nil {
		t.Fatal(err)
	}
	filled := map[string]map[string]string{}
	for _, entry := range entries {
		var patch corev1.Secret
		if err := json.Unmarshal(readFile(t, filepath.Join(state, entry.Name())), &patch); err != nil {
			t.Fatalf("Secret %s: %v", entry.Name(), err) // also where there are two patches
		}
		filled[entry.Name()] = patch.StringData
	}
	return filled
}

func TestEverySecretIsFilledOnce(t *testing.T) {
	state := t.TempDir()
	first, second := fillSecrets(t, ".", state), fillSecrets(t, ".", state)
	for _, secret := range all[*corev1.Secret](render(t, "base")) {
		if len(first[secret.Name]) == 0 || len(second[secret.Name]) != len(first[secret.Name]) {
			t.Errorf("Secret %s: %d keys, and %d when run again", secret.Name, len(first[secret.Name]), len(second[secret.Name]))
		}
		for key, value := range first[secret.Name] {
			if value == "" || value != second[secret.Name][key] {
				t.Errorf("Secret %s: %s is empty or was changed", secret.Name, key)
			}
		}
	}
	if other := fillSecrets(t, ".", t.TempDir()); other["nats-secret"]["NATS_PASSWORD"] == first["nats-secret"]["NATS_PASSWORD"] {
		t.Error("two clusters have the same password")
	}
	if file := first["nats-secret"]["nats.conf"]; !strings.Contains(file, first["nats-secret"]["NATS_PASSWORD"]) {
		t.Error("the bus demands another password than the services have")
	}
}
