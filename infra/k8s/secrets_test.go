package k8s

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// kubectl stands for the program in secrets.sh: it keeps every patch in a file of the Secret's name, and a Secret
// that has one is not empty.
const kubectl = `#!/bin/sh
case "$1" in
get) cat "$STATE/$3" 2>/dev/null || true ;;
patch) cat >>"$STATE/$3" ;;
esac
`

// fillSecrets runs secrets.sh in a cluster that holds what is in the folder state, and returns what is there then.
func fillSecrets(t testing.TB, state string) map[string]map[string]string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o700); err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), "./secrets.sh")
	script.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "STATE=" + state}
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
	first, second := fillSecrets(t, state), fillSecrets(t, state)
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
	if other := fillSecrets(t, t.TempDir()); other["nats-secret"]["NATS_PASSWORD"] == first["nats-secret"]["NATS_PASSWORD"] {
		t.Error("two clusters have the same password")
	}
	if file := first["nats-secret"]["nats.conf"]; !strings.Contains(file, first["nats-secret"]["NATS_PASSWORD"]) {
		t.Error("the bus demands another password than the services have")
	}
}
