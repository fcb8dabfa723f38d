// Package e2e proves the system on a real cluster: the one of the current kubeconfig, which needs an ingress
// controller of class nginx.
//
//	make e2e ──> go test -tags e2e: skaffold ──> namespace of its own
//	                    ├─ HTTP by the ingress (package story), a paced load
//	                    ├─ kubectl port-forward ──> busctl
//	                    └─ scale, roll, kill, and look at what became of every change
//
// The environment tells where things are (see settings in cluster_test.go). The namespace is deleted at the
// end; when a test failed, the logs of all pods and the events are in build/e2e.
package e2e
