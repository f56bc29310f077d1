#!/bin/sh
# The main job on a fresh Debian machine, from nothing: sets the machine up, builds dray, makes a
# small image from busybox, fetches it, lists it, runs it, and shows what the run costs.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'demo: containers need root here; run "sudo npm run demo"' >&2; exit 1; }
sh scripts/setup.sh
node=node_modules/.bin/node
"$node" --disable-warning=ExperimentalWarning scripts/build.ts >&2
exec "$node" --disable-warning=ExperimentalWarning scripts/demo.ts
