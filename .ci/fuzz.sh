#!/usr/bin/env bash
# fuzz.sh FUZZTIME: every fuzz target of the module, one after the other, for that long each, or that many
# times (20000x). It fails at the first input that a target fails on; go test has then written the input into the
# package's testdata, where it stays as a test.
#
# Up to Go 1.26 the end of the time can itself come as a failure, "context deadline exceeded", on a machine that is
# busy (go.dev/issue/75804, mended in 1.27). No input is at fault then, and none has been written.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-30s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

only_the_time_was_up() {
  grep -qx ' *context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic:|^ +[a-z_]+\.go:[0-9]+:' "$log"
}

for package in $(go list ./...); do
  targets=$(go test -list '^Fuzz' "$package")
  for target in $(grep '^Fuzz' <<<"$targets" || true); do
    echo "$package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" 2>&1 | tee "$log" && continue
    only_the_time_was_up || exit 1
    echo "$package $target: the time was up; no input failed"
  done
done
