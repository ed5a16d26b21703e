#!/bin/sh
# Makes two sandboxes, of which one fails, and says where their traces are: sudo ./session.sh [DIRECTORY]
set -eu
cd "$(dirname "$0")"
root=${1:-}

../containerd/shim/session.sh "$root"

spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
echo '{ "mounts": [{ "type": "virtiofs", "source": "/not/there", "destination": "work" }] }' >"$spec"
ctr sandboxes run --runtime io.containerd.virtiofs.v1 "$spec" demo-fails || echo 'It failed, as it should.'
ctr sandboxes rm demo-fails

echo 'Traces: http://127.0.0.1:16686/search?service=containerd-shim-virtiofs'
