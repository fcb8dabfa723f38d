#!/usr/bin/env bash
# e2e.sh: bring a cluster up, run `make e2e` against it, take it down. Leaves the environment of its caller alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/.ci/k8s
trap '"$here/down.sh"' EXIT
WITH_INGRESS=1 WITH_SKAFFOLD=1 WITH_MONGO=1 "$here/up.sh"
. "$here/env.sh"
# The build of the project itself is its own business, not that of the cluster's binaries.
unset GOFLAGS CGO_ENABLED GOTOOLCHAIN
cat >"$RUN/skaffold.yaml" <<Y2
global: {collect-metrics: false, survey: {disable-prompt: true}}
Y2
export SKAFFOLD=$BIN/skaffold SKAFFOLD_CONFIG=$RUN/skaffold.yaml SKAFFOLD_UPDATE_CHECK=false
export KO_DEFAULTBASEIMAGE=$NODE_IP:5000/base:static SKAFFOLD_DEFAULT_REPO=$NODE_IP:5000
export CONNECT_TO=$NODE_IP:80
export E2E_STANDINS="mongo:8.0 (FerretDB v1.24.2 behind a proxy that lets one write through at a time),nats-streaming:0.25.6-alpine (that release built from its Go module)"
make e2e
