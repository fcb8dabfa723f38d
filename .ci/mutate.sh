#!/usr/bin/env bash
# mutate.sh GREMLINS PACKAGE: changes one operator at a time in the package's code (without its subfolders) and runs the
# package's tests. A change that no test notices has "lived" and is listed. The report is build/mutate/PACKAGE.{txt,json}.
set -euo pipefail
cd "$(dirname "$0")/.."
gremlins=$1
package=${2#./}
package=${package%/}
[ -d "$package" ] || { echo "no such folder: $package"; exit 1; }

MUTATE_GO=$(command -v go)
# Tests decide, not vet and not the cache.
GOFLAGS="$(go env GOFLAGS) -count=1 -vet=off"
export MUTATE_GO GOFLAGS
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools GOFLAGS='' go install "$gremlins"

# Gremlins allows each run a multiple of what its own first run takes, which compiles the package as each run does. The
# test here compiles what all of them share.
go test "./$package"
coefficient=5

report=build/mutate/${package//\//-}
mkdir -p build/mutate
PATH=$PWD/.ci/mutate:$PATH "$tools/gremlins" unleash --workers 2 --timeout-coefficient "$coefficient" \
  --exclude-files / --output-statuses lct --output "$report.json" "./$package" |
  while IFS= read -r line; do echo "${line/ at / at $package/}"; done | tee "$report.txt"
