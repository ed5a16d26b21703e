#!/bin/sh
# Shares DIRECTORY/work and DIRECTORY/models with a VM, each in a mode of its own: sudo ./session.sh DIRECTORY [VMM ARGUMENT...]
# VIRTIOFSD is the Rust virtiofsd, where the first that is found is not.
# Without a VMM it prints what one needs, and keeps the shares until its input ends. hot-plug.sh adds to a VM that runs.
set -eu
directory=$(realpath "$1")
shift
cd "$(dirname "$0")"
place=${PLACE:-/run/shares-example}
shim_virtiofs() { node ../../src/cli/main.ts "$@" --config "$place/config.toml"; }

mkdir -m 700 "$place"
host=
trap '[ -z "$host" ] || { shim_virtiofs close vm || :; kill "$host" || :; wait; }; rm -rf "$place"' EXIT
{
  printf 'version = 1\nstate = "%s/state"\nscratch_dir = "%s/scratch"\n' "$place" "$place"
  [ -z "${VIRTIOFSD:-}" ] ||
    printf '[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_daemon = "%s"\n' "$VIRTIOFSD"
} >"$place/config.toml"
# Not by the function: that would be a shell around it, and the signal would end the shell alone.
node ../../src/cli/main.ts serve --config "$place/config.toml" >"$place/host.log" 2>&1 &
host=$!
until [ -S "$place/state/host.sock" ]; do
  kill -0 "$host" 2>/dev/null || { cat "$place/host.log"; exit 1; }
  sleep 0.1
done

shim_virtiofs open vm work "$directory/work"
shim_virtiofs open vm models "$directory/models" --read-only --cache always

# As a shell reads them.
arguments=$(shim_virtiofs inspect vm --memory-mib "${MEMORY_MIB:-512}" | sed -n 's/^qemu *//p')
if [ $# = 0 ]; then
  printf '%s\n' "$arguments"
  cat >/dev/null
else
  eval "set -- \"\$@\" $arguments"
  "$@" -qmp "unix:$place/qmp.sock,server=on,wait=off" -device pcie-root-port,id=fs-port0,chassis=1,slot=1
fi
