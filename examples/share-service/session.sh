#!/bin/sh
# Starts a host, shares DIRECTORY with a VM through it, and ends both: sudo ./session.sh [DIRECTORY [VMM ARGUMENT...]]
# Without a VMM it prints the arguments that one needs, and keeps the share until its input ends.
# SHARE names the program where it is built already.
set -eu
directory=$(realpath "${1:-.}")
[ $# = 0 ] || shift
cd "$(dirname "$0")"
place=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill "$host" || :; wait; rm -rf "$place"' EXIT

share=${SHARE:-$place/share}
[ -e "$share" ] || go build -o "$share" .

printf 'version = 1\nscratch_dir = "%s"\n' "$place/scratch" >"$place/config.toml"
node ../../src/cli/main.ts serve --config "$place/config.toml" --state "$place/state" >"$place/host.log" 2>&1 &
host=$!
until [ -S "$place/state/host.sock" ]; do
  kill -0 "$host" 2>/dev/null || { cat "$place/host.log"; exit 1; }
  sleep 0.1
done

"$share" -socket "$place/state/host.sock" "$directory" "$@"
