#!/bin/sh
# Shares two directories with a sandbox of the shim and shows what a VMM needs of it: sudo ./session.sh [DIRECTORY]
# DIRECTORY/srv/work and DIRECTORY/srv/models are shared; by default those of the system.
set -eu
cd "$(dirname "$0")"
root=${1:-}
state=${STATE:-/run/containerd-shim-virtiofs}

mkdir -p "$root/srv/work" "$root/srv/models"
spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
sed "s|\"/srv/|\"$root/srv/|" pod.json >"$spec"

ctr sandboxes run --runtime io.containerd.virtiofs.v1 "$spec" demo
ctr sandboxes ls

echo 'Each share has a virtiofsd, and a socket that waits for its VMM:'
grep -H -E '"(pid|socketPath|source)"' "$state"/sandboxes/default/demo/*/share.json

ctr sandboxes rm demo
echo 'Nothing is left of it:'
ctr sandboxes ls
