// Package k8s holds the manifests of the system, and the tests that read them as a cluster would, without one.
//
//	base/*.yaml ──> overlays/{dev,prod,gateway} ──> skaffold ──> cluster
//	    │                     ├─ rendered by kustomize ──> rules: selectors, ports, limits, security, ...
//	    │                     └─ and its bus run here: who is let in
//	    └─ decoded strictly into their API types
//
// infra/e2e proves on a real cluster what cannot be read.
package k8s
