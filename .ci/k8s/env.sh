# env.sh: every name, path and address the scripts share. Source it.
# The scripts may lie anywhere; what they build and run lies in K8S_STATE, so that every run on one machine finds
# the binaries of the last.
export K8S_HOME=${K8S_HOME:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
export K8S_STATE=${K8S_STATE:-$HOME/.cache/ticketing-k8s}
export K8S_VERSION=v1.33.4                 # kubectl here is v1.32.4: one minor of skew is supported; kubelet >= 1.35 refuses cgroup v1 by default
export BIN=$K8S_STATE/bin RUN=$K8S_STATE/run LOG=$K8S_STATE/log SRC=$K8S_HOME/src IMG=$K8S_STATE/images
export PKI=$RUN/pki KUBECONF=$RUN/kubeconfig ETC=$RUN/etc
export KUBECONFIG=$KUBECONF/admin.conf
export CONTAINERD_SOCK=$RUN/containerd.sock CONTAINERD_ADDRESS=$RUN/containerd.sock CONTAINERD_NAMESPACE=k8s.io
export NODE_NAME=node1
# One veth pair joins the host and the cluster's network namespace.
export VETH_HOST=k8s-host VETH_NODE=k8s-node VETH_CIDR=10.199.0.0/30 HOST_IP=10.199.0.1 NODE_IP=10.199.0.2
export SVC_CIDR=10.96.0.0/16 API_SVC_IP=10.96.0.1 DNS_IP=10.96.0.10 POD_CIDR=10.244.0.0/24
# Go's own default caches serve, so that a machine that built once stays warm.
[ -z "${K8S_GOMODCACHE:-}" ] || export GOMODCACHE=$K8S_GOMODCACHE
[ -z "${K8S_GOCACHE:-}" ] || export GOCACHE=$K8S_GOCACHE
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false CGO_ENABLED=0
