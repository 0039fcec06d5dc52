#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 20s), one after another.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fuzz() { go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-20s}" "$1" 2>&1 | tee "$log"; }
# On a busy machine go test may take a worker that is at work when the time is
# over for a failure. That finds no input, and says nothing else.
overtime() { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; }
for pkg in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  for target in $(grep -h -oE '^func Fuzz[A-Za-z0-9_]+' "$pkg"/*_test.go | sed 's/^func //'); do
    echo "== $pkg $target"
    fuzz "$pkg" "$target" || { overtime && fuzz "$pkg" "$target"; }
  done
done
