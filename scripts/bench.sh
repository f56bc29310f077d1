#!/bin/sh
# Measures dray beside bare runc, podman and what of the other engines is there. Takes minutes, uses
# a few GiB of memory, and is no test: it prints ratios of one run on one machine.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'bench: needs root' >&2; exit 1; }
sh scripts/setup.sh --tests --bench
node=node_modules/.bin/node
"$node" --disable-warning=ExperimentalWarning scripts/build.ts >&2
exec "$node" --disable-warning=ExperimentalWarning bench/main.ts "$@"
