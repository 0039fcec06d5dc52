#!/usr/bin/env bash
# Executes what the Dockerfile says, without a container engine: the same build
# command in a clean copy of the tracked files, then the same start command as
# an unprivileged user, with nothing writable but the data directory.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
pid=
finish() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"

mkdir "$work/src" "$work/out" "$work/etc" "$work/data"
(cd "$root" && git ls-files -z | tar --null -T - -cf -) | tar -xf - -C "$work/src"
build=$(sed -n 's/^RUN \(go build .*\)$/\1/p' "$work/src/Dockerfile" | sed "s#/out/#$work/out/#")
[ -n "$build" ] || { echo "Dockerfile has no 'RUN go build' line" >&2; exit 1; }
echo "build: $build"
(cd "$work/src" && eval "$build")
ldd "$work/out/lakeward"
cp -r "$work/src/pipelines.d" "$work/etc/"
chmod -R a+rX "$work/out" "$work/etc"

# The environment of the image, with its paths moved below the work directory.
env_file="$work/env"
sed -n '/^ENV /,/[^\\]$/p' "$work/src/Dockerfile" | sed 's/^ENV //; s/ *\\$//; s/^ *//' |
  sed "s#=/data#=$work/data#; s#=/etc/lakeward#=$work/etc#" >"$env_file"
port=$(( 20000 + RANDOM % 20000 ))
{ echo "LAKEWARD_NATS_EMBEDDED_PORT=$port"; echo "LAKEWARD_HTTP_LISTEN=127.0.0.1:$((port + 1))"; } >>"$env_file"

as=()
if [ "$(id -u)" = 0 ]; then
  chown -R nobody "$work/data"
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
run() { (cd / && env -i $(cat "$env_file") HOME=/nonexistent "${as[@]}" "$work/out/lakeward" "$@"); }
run serve >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  run health --ready >/dev/null 2>&1 && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.2
done
run health --ready
echo '{"time":"'"$(date -u +%FT%TZ)"'","user":{"name":"ada"},"status":"Success"}' >"$work/event.ndjson"
chmod a+r "$work/event.ndjson"
run publish "$work/event.ndjson" --subject events.signin
for _ in $(seq 60); do
  n=$(run query -f csv 'SELECT count(*) FROM lake.signin' 2>/dev/null | tail -1 || true)
  [ "$n" = 1 ] && break
  sleep 0.5
done
[ "$n" = 1 ] || { echo "the event did not reach the lake: $n" >&2; cat "$work/log" >&2; exit 1; }
kill -TERM "$(pgrep -P "$pid" lakeward || echo "$pid")"
wait "$pid" || { echo "exit code $? after SIGTERM" >&2; cat "$work/log" >&2; exit 1; }
pid=
echo "container: built, started as an unprivileged user, one event in, drained"
