#!/usr/bin/env bash
# The object cache as processes meet it: bash tests/cache_test.sh PATH/TO/kiln
set -uo pipefail
kiln=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

check() { # NAME CONDITION…
  local name=$1
  shift
  if "$@"; then echo "ok: $name"; else
    echo "FAILED: $name"
    failures=$((failures + 1))
  fi
}

weights() { # the hash of what a short training ends with
  "$kiln" train nw-parametric --epochs 2 --threads 1 2>"$dir/err" | grep -o 'weights [0-9a-f]*'
}
cache() { find "$1" -name '*.kiln' 2>/dev/null; }

unset XDG_CACHE_HOME KILN_CACHE KILN_CACHE_SIZE
export HOME=$dir/home
mkdir "$HOME"

expected=$(KILN_CACHE=off weights)
check "a training tells its weights' hash" test -n "$expected"
check "KILN_CACHE=off leaves no file" test -z "$(find "$HOME" -type f)"

check "the cache is in the home folder" test "$(weights)" = "$expected"
check "there it is" test -n "$(cache "$HOME/.cache/kiln")"
export XDG_CACHE_HOME=$dir/xdg
check "or in XDG_CACHE_HOME" test "$(weights)" = "$expected"
check "there it is, too" test -n "$(cache "$XDG_CACHE_HOME/kiln")"
check "a found step says so" grep -q 'cache .* found' <("$kiln" train nw-parametric --epochs 1 --verbose)

# Sixteen processes at once, on nothing.
export KILN_CACHE=$dir/shared
for i in $(seq 16); do weights >"$dir/weights.$i" & done
wait
check "16 processes on an empty cache train the same weights" \
  test "$(sort -u "$dir"/weights.*)" = "$expected"
check "and leave nothing unfinished" test -z "$(find "$KILN_CACHE" -name '*.tmp')"
check "what they left is found" grep -q 'cache .* found' <("$kiln" train nw-parametric --epochs 1 --verbose)

# Entries cut off at random, by who also runs 4 processes at once.
for round in $(seq 4); do
  while read -r entry; do
    ((RANDOM % 2)) && truncate -s $((RANDOM % ($(stat -c %s "$entry") + 1))) "$entry"
  done < <(cache "$KILN_CACHE")
  for i in $(seq 4); do weights >"$dir/again.$i" & done
  wait
  check "round $round of truncated entries" test "$(sort -u "$dir"/again.*)" = "$expected"
done
for entry in $(cache "$KILN_CACHE"); do truncate -s 100 "$entry"; done
check "broken entries are counted" grep -q ' [1-9][0-9]* broken' <("$kiln" train nw-parametric --epochs 1 --verbose)

# Where it cannot be written.
check "a folder that cannot be is no error" test "$(KILN_CACHE=/dev/null/cache weights)" = "$expected"
check "nor is it mentioned" test ! -s "$dir/err"

KILN_CACHE_SIZE=none "$kiln" train nw-parametric --epochs 1 >"$dir/out" 2>"$dir/err"
check "a size that is no number: status 2" test $? -eq 2
check "a size that is no number: says so" grep -q 'KILN_CACHE_SIZE: expected a number' "$dir/err"

((failures == 0)) || { echo "$failures checks failed" && exit 1; }
