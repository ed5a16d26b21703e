#!/bin/bash
# Makes a Debian of its own, and runs commands in one. Needs root; `create` needs debootstrap too.
#   debian-system.sh create SUITE DIRECTORY [PACKAGE…]      Debian's base with these packages
#   debian-system.sh enter [OPTION…] DIRECTORY WORK COMMAND…  the command in it, in mount and process namespaces of its own
#     --discard       what is written to the system goes with the command
#     --offline       without any network
#     --bind SRC:DST  shows a directory of this machine at DST, read-only
#     --cgroup DIR    in this control group, which is the root of all that it sees
# A system that is made gets this machine's settings for apt, npm, cargo and Go, its certificates and its mirrors.
set -euo pipefail

main() {
  case ${1-} in
    create) create "${@:2}" ;;
    enter) enter "${@:2}" ;;
    *) sed -n '2,9s/^# \?//p' "$0" >&2 && exit 2 ;;
  esac
}

create() {
  local suite=$1 root=$2
  shift 2
  mkdir -p "$root" && chmod 755 "$root"
  command -v debootstrap >/dev/null || { echo 'debootstrap is missing: run "apt-get install debootstrap"' >&2; exit 1; }
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$(sources "$suite" | head -1 | cut -d' ' -f2)"
  carry_settings "$suite" "$root"
  "$0" enter "$root" / apt-get update
  [[ $# -eq 0 ]] || "$0" enter "$root" / apt-get install --yes --no-install-recommends "$@"
  "$0" enter "$root" / apt-get clean
  rm -rf "$root"/var/lib/apt/lists/*
}

enter() {
  local namespaces=(--mount --pid) binds=() discard= offline= cgroup=
  while [[ $1 == --* ]]; do
    case $1 in
      --discard) discard=yes ;;
      --offline) offline=yes && namespaces+=(--net) ;;
      --bind) binds+=("$2") && shift ;;
      --cgroup) cgroup=yes && namespaces+=(--cgroup) && echo $$ >"$2/cgroup.procs" && shift ;;
    esac
    shift
  done
  exec unshare "${namespaces[@]}" --fork --kill-child --propagation private \
    bash -ec "$(declare -f become); become \"\$@\"" bash "$discard" "$offline" "$cgroup" "${binds[*]}" "$@"
}

# Inside the namespaces: becomes the other machine.
become() {
  local discard=$1 offline=$2 cgroup=$3 binds=$4 root=$5 directory=$6 place
  shift 6
  if [[ $discard ]]; then
    mount -t tmpfs written /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay system -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
    root=/mnt/root
  else
    mount --bind "$root" "$root"
  fi
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  [[ ! $cgroup ]] || mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
  mount --bind /dev "$root/dev"
  mount -t devpts devpts "$root/dev/pts"
  mount -t tmpfs shm "$root/dev/shm"
  mount -t tmpfs run "$root/run"
  for place in $binds; do
    mkdir -p "$root/${place#*:}"
    mount --rbind -o ro "${place%%:*}" "$root/${place#*:}"
  done
  # The loopback goes up as by ip(8), which not every Debian has: SIOCSIFFLAGS with IFF_UP.
  [[ ! $offline ]] ||
    perl -MSocket -e 'my $lo = pack("a16 s x14", "lo", 1); socket(S, AF_INET, SOCK_DGRAM, 0) && ioctl(S, 0x8914, $lo) or die "lo: $!"'
  # Of this machine's own tools nothing is in the PATH there.
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
  unset XDG_CACHE_HOME TMPDIR
  exec chroot "$root" bash -c 'cd "$1" && shift && exec "$@"' bash "$directory" "$@"
}

# The Debian mirrors of this machine, as one-line sources of the suite.
sources() {
  local own
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E " $own(-updates|-security)? main$" | sed "s/ $own/ $1/" | sort -u -k3,3
}

carry_settings() {
  local suite=$1 root=$2 path
  sources "$suite" >"$root/etc/apt/sources.list"
  for path in /etc/resolv.conf /etc/hosts /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/ssl/certs \
    "$HOME/.npmrc" "$HOME/.config/go/env" "$HOME/.cargo/config.toml" $(certificates); do
    [[ ! -e $path ]] || tar -C / -ch "${path#/}" 2>/dev/null | tar -C "$root" -x --keep-directory-symlink
  done
}

# The files of certificates that environment variables name.
certificates() {
  env | sed -n 's/^[A-Za-z_]*\(CERT\|CA_\|CAINFO\|BUNDLE\)[A-Za-z_]*=\(\/.*\)/\2/p' | sort -u
}

main "$@"
