#!/bin/sh
# Brings what dray needs onto a Debian machine, and nothing that is there already.
#
#   scripts/setup.sh            what the demo needs: runc, a static busybox, Node's libatomic,
#                               node_modules
#   scripts/setup.sh --tests    and the tools that the tests drive
#   scripts/setup.sh --bench    and the engines that the benchmark compares with
#
# Idempotent. Root is needed only when a Debian package is missing.
set -eu
cd "$(dirname "$0")/.."

# One line per package: its name, and a program that proves it is there however it was installed.
# Without a program the package database is asked (a dynamic busybox does not run in an empty root).
demo='runc runc
busybox-static -
libatomic1 -'
tests='docker-registry docker-registry
skopeo skopeo
podman podman
docker.io dockerd
umoci umoci
buildah buildah
debootstrap debootstrap
strace strace
attr setfattr
libcap2-bin setcap
e2fsprogs mkfs.ext4
erofs-utils mkfs.erofs
gcc gcc
libc6-dev -
openssl openssl
python3 python3
zstd zstd
xz-utils xz
tini tini
containernetworking-plugins -
iproute2 ip
iptables iptables
nftables nft'
bench='containerd containerd
curl curl
time -'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

is_present() {
  if [ "$2" != - ]; then
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$2" >/dev/null 2>&1
  else
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
  fi
}

missing_of() {
  printf '%s\n' "$1" | while read -r package program; do
    is_present "$package" "$program" || printf '%s ' "$package"
  done
}

install_packages() {
  command -v apt-get >/dev/null 2>&1 ||
    fail "missing: $1; this is no Debian machine, install them with its own package manager"
  [ "$(id -u)" = 0 ] || fail "missing: $1; run this as root once: apt-get install $1"
  say "installing from Debian: $1"
  export DEBIAN_FRONTEND=noninteractive
  # A foreign list that cannot be reached must not stop us; a missing package will.
  apt-get update -qq >/dev/null 2>&1 || say 'apt-get update failed for some lists, going on'
  # The engines must not start their services: tests and the benchmark bring up their own.
  if ! RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $1 </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install: $1"
  fi
}

# npm puts node_modules/.bin first on the PATH of every script, so that `node` is Node 26 there,
# but only once it is installed.
install_modules() {
  if [ -x node_modules/.bin/node ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    return
  fi
  say 'installing node_modules (npm ci)'
  npm ci --no-audit --no-fund --loglevel=error >&2
}

wanted=$demo
for option in "$@"; do
  case $option in
    --tests) wanted="$wanted
$tests" ;;
    --bench) wanted="$wanted
$bench" ;;
    *) fail "unknown option $option; known are --tests and --bench" ;;
  esac
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
missing=$(missing_of "$wanted")
[ -z "$missing" ] || install_packages "${missing% }"
install_modules
