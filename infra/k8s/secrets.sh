#!/usr/bin/env bash
# secrets.sh [NAMESPACE]: create the Secrets of base and fill them with random values, in the namespace given or else
# the current one. It never changes a value that exists, so it may run again at any time. Skaffold runs it before
# every deployment; the environment says where Skaffold deploys to.
set -euo pipefail
cd "$(dirname "$0")"

namespace=${1:-${SKAFFOLD_NAMESPACES:-}}
kubectl=(kubectl ${SKAFFOLD_KUBE_CONTEXT:+--context "$SKAFFOLD_KUBE_CONTEXT"} ${namespace:+--namespace "${namespace%%,*}"})

has() { [ -n "$("${kubectl[@]}" get secret "$1" -o "jsonpath={.data.$2}")" ]; } # has SECRET KEY

# fill SECRET KEY=VALUE...: all at once, through standard input, so that no value shows in the list of processes.
fill() {
  local secret=$1 pairs=; shift
  for pair; do pairs+="${pairs:+,}\"${pair%%=*}\":\"${pair#*=}\""; done
  "${kubectl[@]}" patch secret "$secret" --patch-file /dev/stdin <<<"{\"stringData\":{$pairs}}"
}

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; } # 32 bytes as 64 hex digits

created=$(kubectl kustomize base | "${kubectl[@]}" apply -f - -l app.kubernetes.io/component=secret -o name)
has stripe-secret PROVIDER || fill stripe-secret PROVIDER=test # who has an account changes it: docs/payments.md
has jwt-secret JWT_KEY || fill jwt-secret "JWT_KEY=$(random)"
for secret in $created; do
  [[ $secret =~ ^secret/(.+)-mongo-secret$ ]] || continue
  service=${BASH_REMATCH[1]}
  has "$service-mongo-secret" MONGO_URI && continue
  password=$(random)
  fill "$service-mongo-secret" "MONGO_USERNAME=$service" "MONGO_PASSWORD=$password" \
    "MONGO_URI=mongodb://$service:$password@$service-mongo-srv:27017/?authSource=admin"
done
if ! has nats-secret NATS_PASSWORD; then
  password=$(random)
  fill nats-secret NATS_USER=services "NATS_PASSWORD=$password" \
    "nats.conf=authorization: {user: 'services', password: '$password'}"
fi
