#!/bin/bash
# Runs a command in a fresh clone on a fresh Debian: test/setup/fresh.sh bookworm|trixie [command…]
# The system is Debian's base with git, Node and npm, kept in the cache and copied for each run. It lives in mount and
# process namespaces of its own, so that nothing of it remains. This machine's settings for apt, npm, cargo and Go,
# its certificates and its proxies are carried in, so that it reaches the same mirrors. Needs root and debootstrap.
set -euo pipefail

suite=${1:?usage: fresh.sh bookworm|trixie [command…]}
shift
[[ $# -gt 0 ]] || set -- npm run demo
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/containerd-shim-virtiofs/fresh
mkdir -p "$cache"

main() {
  [[ -d $cache/$suite ]] || create_system
  root=$(mktemp -d /var/tmp/csv-fresh-XXXXXX)
  trap clean_up EXIT
  cp -a --reflink=auto "$cache/$suite/." "$root"
  git clone --quiet "$repository" "$root/root/clone"
  run_inside /root/clone "$@"
}

# Also where a signal ends this script alone, or comes again while it cleans up.
clean_up() {
  trap '' HUP INT TERM
  pkill -KILL -P $$ || true
  rm -rf --one-file-system "$root" || { sleep 1 && rm -rf --one-file-system "$root"; }
}

create_system() {
  command -v debootstrap >/dev/null || { echo 'debootstrap is missing: run "apt-get install debootstrap"' >&2; exit 1; }
  echo "Creating a Debian $suite (once)" >&2
  root=$cache/$suite.new
  rm -rf --one-file-system "$root"
  if ! { debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$(sources | head -1 | cut -d' ' -f2)" &&
    carry_settings && run_inside / apt-get update &&
    run_inside / apt-get install --yes --no-install-recommends git nodejs npm && run_inside / apt-get clean; } \
    >"$cache/$suite.log" 2>&1; then
    tail -20 "$cache/$suite.log" >&2
    exit 1
  fi
  rm -rf "$root"/var/lib/apt/lists/*
  mv "$root" "$cache/$suite"
}

run_inside() {
  unshare --mount --pid --fork --kill-child --propagation private \
    bash -c "$(declare -f enter); enter \"\$@\"" bash "$root" "$@"
}

# The Debian mirrors of this machine, as one-line sources of the suite.
sources() {
  local own
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E " $own(-updates|-security)? main$" | sed "s/ $own/ $suite/" | sort -u -k3,3
}

carry_settings() {
  local path
  sources >"$root/etc/apt/sources.list"
  for path in /etc/resolv.conf /etc/hosts /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/ssl/certs \
    "$HOME/.npmrc" "$HOME/.config/go/env" "$HOME/.cargo/config.toml" $(certificates); do
    [[ ! -e $path ]] || tar -C / -ch "${path#/}" 2>/dev/null | tar -C "$root" -x --keep-directory-symlink
  done
}

# The files of certificates that environment variables name.
certificates() {
  env | sed -n 's/^[A-Za-z_]*\(CERT\|CA_\|CAINFO\|BUNDLE\)[A-Za-z_]*=\(\/.*\)/\2/p' | sort -u
}

# Inside the namespaces: becomes the fresh machine.
enter() {
  local root=$1 directory=$2
  shift 2
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --bind /dev "$root/dev"
  mount -t devpts devpts "$root/dev/pts"
  mount -t tmpfs shm "$root/dev/shm"
  mount -t tmpfs run "$root/run"
  # Of this machine's own tools nothing is in the PATH there.
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
  unset XDG_CACHE_HOME TMPDIR
  chroot "$root" bash -c 'cd "$1" && shift && "$@"' bash "$directory" "$@"
}

main "$@"
