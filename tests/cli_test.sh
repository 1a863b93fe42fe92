#!/usr/bin/env bash
# The kiln command as a user meets it: bash tests/cli_test.sh PATH/TO/kiln
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

rejects() { # NAME PATTERN ARGS…: status 2, one line on stderr that matches, nothing on stdout
  local name=$1 pattern=$2 status=0
  shift 2
  "$kiln" "$@" >"$dir/out" 2>"$dir/err" || status=$?
  check "$name: status 2 (was $status)" test "$status" -eq 2
  check "$name: one line ($(cat "$dir/err"))" test "$(wc -l <"$dir/err")" -eq 1
  check "$name: says /$pattern/" grep -q "$pattern" "$dir/err"
  check "$name: stdout is empty" test ! -s "$dir/out"
}

prints() { # NAME PATTERN ARGS…: status 0 and the pattern on stdout
  local name=$1 pattern=$2
  shift 2
  check "$name: status 0" "$kiln" "$@" >"$dir/out" 2>"$dir/err"
  "$kiln" "$@" >"$dir/out" 2>"$dir/err"
  check "$name: prints /$pattern/" grep -q "$pattern" "$dir/out"
}

# A tiny data set in MNIST's format: 20 images each.
idx() { # TYPE DIMS… <bytes: header and so many zero bytes
  printf '\0\0\x08'
  printf "\\x0$#"
  local count=1 dim
  for dim in "$@"; do
    printf "\\x$(printf %02x $((dim >> 24 & 255)))\\x$(printf %02x $((dim >> 16 & 255)))\\x$(printf %02x $((dim >> 8 & 255)))\\x$(printf %02x $((dim & 255)))"
    count=$((count * dim))
  done
  head -c "$count" /dev/zero
}
images() { idx 20 28 28; }
labels() { idx 20; }
dataset() { # FOLDER
  mkdir -p "$1"
  images >"$1/train-images-idx3-ubyte"
  labels >"$1/train-labels-idx1-ubyte"
  images | gzip >"$1/t10k-images-idx3-ubyte.gz"
  labels | gzip >"$1/t10k-labels-idx1-ubyte.gz"
}

prints "help" "Examples:" --help
prints "version" "^kiln [0-9]" --version
prints "models" "^digits " models
for stage in graph backward optimized fused loops llvm asm memory; do
  prints "dump $stage" "." dump digits --stage $stage
done
prints "dump graph" "stablehlo.dot_general" dump digits --stage graph
prints "dump fused" "func.func private @contract" dump digits --stage fused
prints "dump dot" "^digraph" dump digits --stage graph --format dot
if command -v dot >/dev/null; then prints "dump svg" "<svg" dump digits --stage fused --format svg; fi
prints "dump --after" "stablehlo" dump digits --after simplify
prints "dump --locations" 'loc("models/digits.cpp"' dump digits --stage graph --locations

rejects "no command" "subcommand" 
rejects "unknown command" "." frobnicate
rejects "unknown model" "unknown model 'nope'.*digits" train nope
rejects "unknown workload" "unknown workload 'nope'" bench nope
rejects "unknown stage" "unknown stage 'nope'.*fused" dump digits --stage nope
rejects "unknown pass" "no pass 'nope'" dump digits --after nope
rejects "unknown mode" "mode" bench digit_mlp --mode quick
rejects "negative epochs" "epochs.*-1" train digits --epochs -1
rejects "epochs that are no number" "epochs" train digits --epochs many
rejects "batch 0" "batch" train digits --batch 0
rejects "lr 0" "lr" train digits --lr 0
rejects "threads -3" "threads" train digits --threads -3
rejects "unknown target" "nope" train digits --target nope
rejects "missing folder" "$dir/none" train digits --data "$dir/none"
rejects "svg of loops" "." dump digits --stage loops --format svg

dataset "$dir/good"
check "tiny data train" "$kiln" train digits --data "$dir/good" --epochs 1 --quiet

dataset "$dir/truncated"
head -c 9000 "$dir/good/train-images-idx3-ubyte" >"$dir/truncated/train-images-idx3-ubyte"
rejects "truncated file" "train-images-idx3-ubyte" train digits --data "$dir/truncated"

dataset "$dir/greedy" # a header that claims two thousand million images
{ printf '\0\0\x08\x03\x7f\xff\xff\xff\0\0\0\x1c\0\0\0\x1c'; head -c 1000 /dev/zero; } >"$dir/greedy/train-images-idx3-ubyte"
rejects "header claims more than the file holds" "train-images-idx3-ubyte" train digits --data "$dir/greedy"

dataset "$dir/mismatch"
idx 19 >"$dir/mismatch/train-labels-idx1-ubyte"
rejects "labels that do not match images" "train-labels-idx1-ubyte" train digits --data "$dir/mismatch"

dataset "$dir/missing"
rm "$dir/missing/t10k-labels-idx1-ubyte.gz"
rejects "a missing file" "t10k-labels-idx1-ubyte" train digits --data "$dir/missing"

dataset "$dir/corrupt"
head -c 60 "$dir/good/t10k-images-idx3-ubyte.gz" >"$dir/corrupt/t10k-images-idx3-ubyte.gz"
rejects "a gzip file cut short" "t10k-images-idx3-ubyte.gz" train digits --data "$dir/corrupt"

rejects "an unreadable checkpoint" "$dir/none.safetensors" train digits --data "$dir/good" --resume "$dir/none.safetensors"
rejects "a checkpoint that is no safetensors file" "labels" train digits --data "$dir/good" --resume "$dir/good/train-labels-idx1-ubyte"

# Checkpoints: resumed training ends with the same weights as training in one go.
"$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --json "$dir/whole.json" --quiet
"$kiln" train digits --data "$dir/good" --epochs 2 --stop 2 --checkpoint "$dir/half.safetensors" --quiet
"$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --resume "$dir/half.safetensors" --json "$dir/resumed.json" --quiet
hash_in() { grep -o '"weights_hash":"[0-9a-f]*"' "$1"; }
check "a hash is written" test -n "$(hash_in "$dir/whole.json")"
check "resumed weights are the same" test "$(hash_in "$dir/whole.json")" = "$(hash_in "$dir/resumed.json")"
check "json has an object an epoch and a last one" test "$(wc -l <"$dir/whole.json")" -eq 5
prints "eval" "accuracy" eval digits --data "$dir/good" --checkpoint "$dir/half.safetensors"

for threads in 1 2 3; do
  "$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --threads $threads --json "$dir/t$threads.json" --quiet
  check "$threads threads give the same weights" test "$(hash_in "$dir/t$threads.json")" = "$(hash_in "$dir/whole.json")"
done
"$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --seed 1 --json "$dir/seed.json" --quiet
check "another seed gives other weights" test "$(hash_in "$dir/seed.json")" != "$(hash_in "$dir/whole.json")"
check "quiet training prints nothing" test -z "$("$kiln" train digits --data "$dir/good" --epochs 1 --quiet 2>&1)"

echo "$failures failed"
test "$failures" -eq 0
