#!/bin/bash
# Runs a command in a fresh clone on a fresh Debian: test/setup/fresh.sh bookworm|trixie [command…]
# The system is Debian's base with git, Node and npm, kept in the cache and copied for each run. It lives in mount and
# process namespaces of its own, so that nothing of it remains. Needs root and debootstrap.
set -euo pipefail

suite=${1:?usage: fresh.sh bookworm|trixie [command…]}
shift
[[ $# -gt 0 ]] || set -- npm run demo
system=$(dirname "$0")/debian-system.sh
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/containerd-shim-virtiofs/fresh
mkdir -p "$cache"

main() {
  [[ -d $cache/$suite ]] || create_system
  root=$(mktemp -d /var/tmp/csv-fresh-XXXXXX)
  trap clean_up EXIT
  cp -a --reflink=auto "$cache/$suite/." "$root"
  git clone --quiet "$repository" "$root/root/clone"
  "$system" enter "$root" /root/clone "$@"
}

# Also where a signal ends this script alone, or comes again while it cleans up.
clean_up() {
  trap '' HUP INT TERM
  pkill -KILL -P $$ || true
  rm -rf --one-file-system "$root" || { sleep 1 && rm -rf --one-file-system "$root"; }
}

create_system() {
  echo "Creating a Debian $suite (once)" >&2
  root=$cache/$suite.new
  rm -rf --one-file-system "$root"
  if ! "$system" create "$suite" "$root" git nodejs npm >"$cache/$suite.log" 2>&1; then
    tail -20 "$cache/$suite.log" >&2
    exit 1
  fi
  mv "$root" "$cache/$suite"
}

main "$@"
