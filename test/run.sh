#!/usr/bin/env bash
# The everyday tests, a line a package: everything with the race detector, except
# what takes minutes with it (make test-long) and what links DuckDB's C++ library
# through slow paths, which says so itself. Arguments are for go test.
set -euo pipefail
cd "$(dirname "$0")/.."
if command -v python3 >/dev/null; then
  ./test/interop/setup.sh
  export LAKEWARD_REQUIRE_INTEROP=1
fi
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  export LAKEWARD_REQUIRE_POSTGRES=1
fi
# The race detector makes each process wait for a second at its end; the tests
# start thousands.
export GORACE="atexit_sleep_ms=0 ${GORACE:-}"
go vet ./...
mapfile -t packages < <(go list ./... | grep -v /test/scripts)
go test -race -short -vet=off -timeout 20m "$@" "${packages[@]}"
# Scripts start the program hundreds of times, which is four times faster like this.
go test -short -vet=off -timeout 20m "$@" ./test/scripts
# Under the race detector these fail one operation in seven; here, every one.
go test -vet=off -run EveryFailure ./tiers/lake
