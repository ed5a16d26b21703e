#!/bin/sh
# Adds a directory to the VM of session.sh while it runs, or takes it away again, once the guest has unmounted it:
# sudo ./hot-plug.sh add DIRECTORY, sudo ./hot-plug.sh remove
set -eu
action=$1
[ "$action" = remove ] || directory=$(realpath "$2")
cd "$(dirname "$0")"
place=${PLACE:-/run/shares-example}
shim_virtiofs() { node ../../src/cli/main.ts "$@" --config "$place/config.toml"; }

case $action in
add)
  shim_virtiofs open vm more "$directory" --cache never --json >"$place/more.json"
  node hot-plug.ts add "$place/qmp.sock" <"$place/more.json"
  ;;
remove)
  shim_virtiofs inspect vm more --json >"$place/more.json"
  node hot-plug.ts remove "$place/qmp.sock" <"$place/more.json"
  shim_virtiofs close vm more
  ;;
esac
