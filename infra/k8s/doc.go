// Package k8s holds the manifests of the system and their tests, which need no cluster.
//
//	components/* ──> services/* ──> base ──> overlays/{dev,prod,gateway} ──> skaffold ──> cluster
//
// The tests decode every file strictly into its API type, check what kustomize renders against rules (selectors,
// ports, limits, security), run the bus as an overlay starts it, and add a service as docs/kubernetes.md shows.
// infra/e2e tests the rest on a real cluster.
package k8s
