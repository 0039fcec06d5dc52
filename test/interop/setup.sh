#!/usr/bin/env bash
# Makes .cache/interop, a Python environment with the pinned PyIceberg and
# DuckDB that the interoperability test reads the lake with.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.cache/interop
want=$(cat test/interop/requirements.txt)
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/requirements.done" 2>/dev/null)" = "$want" ]; then
  exit 0
fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r test/interop/requirements.txt
printf '%s\n' "$want" > "$venv/requirements.done"
