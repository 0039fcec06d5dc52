#!/usr/bin/env bash
# Linters at pinned versions, so that a new release cannot break the build.
set -euo pipefail
cd "$(dirname "$0")/.."
go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./... # .golangci.yml
# The vulnerability database is fetched at run time; without a network, GOVULNDB
# may name a copy, and without either this check is left out aloud.
if [ -n "${GOVULNDB:-}" ] || curl -fsS -m 10 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then
  go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...
else
  echo "govulncheck: NOT RUN, https://vuln.go.dev is not reachable and GOVULNDB is not set" >&2
fi
