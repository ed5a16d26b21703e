#!/bin/sh
# Runs a pod through the sandbox controller, shows what a VMM needs of it, and removes it: sudo ./session.sh
set -eu
cd "$(dirname "$0")"
state=${STATE:-/run/containerd-shim-virtiofs}

pod=$(crictl runp --runtime virtiofs pod-sandbox.json)
crictl pods --id "$pod"

echo 'Each share has a virtiofsd, and a socket that waits for its VMM:'
shim-virtiofs ls --state "$state"
shim-virtiofs inspect --state "$state" --namespace k8s.io "$pod"

crictl stopp "$pod"
crictl rmp "$pod"
echo 'Nothing is left of it:'
shim-virtiofs ls --state "$state"
