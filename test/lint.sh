#!/usr/bin/env bash
# Linters at pinned versions, so that a new release cannot break the build.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
  echo "gofmt these: $unformatted" >&2
  exit 1
fi
go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.8.0 ./...
go run golang.org/x/vuln/cmd/govulncheck@v1.6.0 ./...
