#!/usr/bin/env bash
# The everyday tests: everything with the race detector, a line a package, except
# what takes minutes (make test-long) and what links DuckDB's C++ library through
# slow paths, which says so itself.
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
go test -race -short -timeout 20m "$@" ./...
# Under the race detector these fail one operation in seven; here, every one.
go test -run EveryFailure ./tiers/lake
