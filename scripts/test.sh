#!/bin/sh
# Everything a change has to pass, on a machine that may have nothing but Node and npm: sets the
# machine up, builds, then lint, types, dead code, unit, contract and end-to-end tests.
#
#   npm test                       all of it
#   npm test -- test/core/oci      only the test files below these paths (no lint, no types)
#
# The last line is `N passed, N failed, N skipped`; each check before the tests counts as one. As
# root on Linux nothing may be skipped: a skip there is a failure.
set -u
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Linux ] || { echo 'test: dray runs on Linux only' >&2; exit 1; }
sh scripts/setup.sh --tests || exit 1

node=node_modules/.bin/node
quiet=--disable-warning=ExperimentalWarning
scratch=$(mktemp -d)
images=
trap 'rm -rf "$scratch"; if [ -n "$images" ]; then kill "$images" 2>/dev/null; fi' EXIT
trap 'exit 130' INT TERM

check() {
  title=$1
  shift
  printf '\n== %s\n' "$title"
  if "$@"; then result='{"passed":1,"failed":0,"skipped":0,"notes":[]}'
  else
    result='{"passed":0,"failed":1,"skipped":0,"notes":[]}'
    printf '== %s FAILED\n' "$title"
  fi
  printf '%s\n' "$result" >>"$scratch/totals"
}

# $1: title, $2: how many files at a time, the rest: files. A run that ends badly without a failed
# test (a crash of the runner, a hook) counts as one failure.
run_tests() {
  title=$1 jobs=$2
  shift 2
  printf '\n== %s\n' "$title"
  : >"$scratch/run"
  "$node" "$quiet" --test --test-concurrency="$jobs" --test-timeout=600000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=./scripts/test-totals.ts --test-reporter-destination="$scratch/run" \
    "$@" </dev/null
  status=$?
  cat "$scratch/run" >>"$scratch/totals"
  if [ "$status" != 0 ] && ! grep -q '"failed":[1-9]' "$scratch/run"; then
    echo '{"passed":0,"failed":1,"skipped":0,"notes":[]}' >>"$scratch/totals"
  fi
}

all_tests() {
  find "${@:-test}" -name '*.test.ts' | sort
}

if [ $# -gt 0 ]; then
  check build "$node" "$quiet" scripts/build.ts
  run_tests 'tests' 1 $(all_tests "$@")
else
  # The images that the end-to-end tests need take a minute to make: meanwhile the rest goes on.
  if [ "$(id -u)" = 0 ]; then
    "$node" "$quiet" scripts/make-images.ts busybox debian layers-1 layers-100 >"$scratch/images" 2>&1 &
    images=$!
  fi
  check build "$node" "$quiet" scripts/build.ts
  check 'format and lint' node_modules/.bin/biome ci --colors=off --error-on-warnings .
  check types node_modules/.bin/tsc -p .
  check 'dead code' node_modules/.bin/knip --no-config-hints --exclude types
  run_tests 'unit and contract tests' 2 $(all_tests | grep -v '^test/e2e/')
  if [ -n "$images" ] && ! wait "$images"; then cat "$scratch/images"; fi
  images=
  run_tests 'end-to-end tests' 2 $(all_tests test/e2e)
fi

echo
exec "$node" "$quiet" scripts/print-totals.ts "$(id -u)" <"$scratch/totals"
