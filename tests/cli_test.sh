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

byte() { # VALUE: one byte of it
  printf '%b' "\\x$(printf %02x "$1")"
}

# A tiny data set in MNIST's format: 20 images each.
idx() { # TYPE DIMS… <bytes: header and so many zero bytes
  printf '\0\0\x08'
  byte $#
  local count=1 dim shift
  for dim in "$@"; do
    for shift in 24 16 8 0; do byte $((dim >> shift & 255)); done
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
for command in train eval predict dump bench run grad check conformance; do
  prints "help of $command" "^  kiln $command " $command --help
done
prints "version" "^kiln [0-9]" --version
prints "models" "^digits " models
prints "train perceptron" "0 mistakes  w = " train perceptron
prints "train linear" "recovered: y = 7.0000 x0 + 8.0000 x1 + 3.0000" train linear --stop 1e-11
prints "train linear from 0" "every weight starts at 0" train linear --init 0
prints "train sin" "largest error on 1000 points held out: 0.0" train sin --stop 0.0005
"$kiln" train sin --stop 0.0005 --checkpoint "$dir/sin.safetensors" --quiet
prints "predict sin" "^1.5708: [01]\.[09]" predict sin 0 1.5708 --checkpoint "$dir/sin.safetensors"
rejects "the sine of a word" "expected a number, found 'pi'" predict sin pi --checkpoint "$dir/sin.safetensors"
prints "train convolve" "3 x 3 by 2 x 2 is 2 x 2: \[\[6, 8\], \[12, 14\]\]" train convolve
prints "train convolve" "2 x 2 by 3 x 3 is an error" train convolve
"$kiln" train perceptron --epochs 1 --quiet 2>"$dir/err"
check "mistakes after the last epoch: status 1" test $? -eq 1
check "mistakes after the last epoch: says so" grep -q "cannot be separated" "$dir/err"
for stage in graph backward optimized fused loops llvm asm memory; do
  prints "dump $stage" "." dump digits --stage $stage
done
prints "dump graph" "stablehlo.dot_general" dump digits --stage graph
prints "dump fused" "func.func private @contract" dump digits --stage fused
prints "dump a workload" "kernel = \"row\"" dump softmax_cross_entropy
prints "the memory a step takes" "optimiser state" dump digit_mlp --stage memory
prints "less memory" "_again" dump deep_mlp --stage memory --max-memory 20M
rejects "too little memory" "may take 2097152 bytes, but needs" dump digit_mlp --stage memory --max-memory 2M
rejects "memory in no unit" "expected a number of bytes" dump digit_mlp --max-memory 2X
prints "dump dot" "^digraph" dump digits --stage graph --format dot
if command -v dot >/dev/null; then prints "dump svg" "<svg" dump digits --stage fused --format svg; fi
prints "dump --after" "stablehlo" dump digits --after simplify
prints "dump --locations" 'loc("models/digits.cpp"' dump digits --stage graph --locations

rejects "no command" "subcommand"
rejects "unknown command" "." frobnicate
rejects "unknown model" "unknown model 'nope'.*digits" train nope
prints "bench --list" "^mini_gpt  *4 pre-norm blocks" bench --list
prints "bench --kernels" "^  contract_0  *contract  *1 " bench gemm_64x128x10 --kernels
printf 'first\nblock 0.001\n' | "$kiln" bench linreg --serve "$dir" >"$dir/out"
check "bench --serve: an answer a question" test "$(wc -l <"$dir/out")" -eq 3
check "bench --serve: compiles" grep -q '"compile_seconds":.*"peak_bytes":' "$dir/out"
check "bench --serve: times" grep -q '"seconds":.*"steps":' "$dir/out"
check "bench --serve: writes what goes in" grep -qa '"m":{[^}]*"shape":\[2,1\]' "$dir/inputs.safetensors"
check "bench --serve: writes what comes out" grep -qa '"again.loss":' "$dir/kiln.safetensors"
rejects "--serve of all" "one workload" bench --serve "$dir"
rejects "unknown workload" "unknown workload 'nope'" bench nope
rejects "unknown stage" "unknown stage 'nope'.*fused" dump digits --stage nope
rejects "unknown pass" "no pass 'nope'" dump digits --after nope
rejects "unknown mode" "mode" bench digit_mlp --mode quick
rejects "unknown program to compile" "no model or workload 'nope'" bench --compile nope
prints "what compiling costs, phase by phase" '^linear  *[1-9]' bench --compile linear
rejects "negative epochs" "epochs.*-1" train digits --epochs -1
rejects "epochs that are no number" "epochs" train digits --epochs many
rejects "batch 0" "batch" train digits --batch 0
rejects "a seed beyond 64 bits" "expected a whole number from 0 to 2^64 - 1, found '18446744073709551616'" \
  train linear --seed 18446744073709551616
rejects "a seed below 0" "expected a whole number" train linear --seed -1
rejects "a timeout that is no number" "above 0, found 'nan'" conformance . --timeout nan
rejects "lr 0" "lr" train digits --lr 0
rejects "an unknown command" "unknown command 'trian': expected one of models, train" trian digits
rejects "a stop that is no number" "stop.*nan" train linear --stop nan
rejects "a start beyond f32" "init.*1e+39" train linear --init 1e39
rejects "no epochs of a model that has none" "epochs.*0" train masked-softmax --epochs 0
rejects "data for a model that takes none" "no --data" train masked-softmax --data "$dir"
rejects "threads 0" "threads.*found 0" train digits --threads 0
# What could not be written is said before the work, and what is there stays until something is to be written.
rejects "a checkpoint into a folder that is not there" "none/c: No such file" train digits --checkpoint "$dir/none/c"
rejects "a checkpoint that is a folder" "Is a directory" train digits --checkpoint "$dir"
touch "$dir/file"
rejects "plots into a file" "file: expected a folder" train digits --plot "$dir/file"
rejects "json into a folder" "cannot be written" train digits --json "$dir"
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
prints "predict" "image 19: [0-9]  (probability" predict digits "$dir/good/t10k-images-idx3-ubyte.gz" --checkpoint "$dir/half.safetensors"
rejects "predict labels" "expected images" predict digits "$dir/good/train-labels-idx1-ubyte" --checkpoint "$dir/half.safetensors"
rejects "predict without weights" "checkpoint" predict digits "$dir/good/train-images-idx3-ubyte"
rejects "a perceptron of images" "train-images-idx3-ubyte" train perceptron --data "$dir/good/train-images-idx3-ubyte"

for threads in 1 2 3; do
  "$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --threads $threads --json "$dir/t$threads.json" --quiet
  check "$threads threads give the same weights" test "$(hash_in "$dir/t$threads.json")" = "$(hash_in "$dir/whole.json")"
done
"$kiln" train digits --data "$dir/good" --epochs 4 --stop 2 --seed 1 --json "$dir/seed.json" --quiet
check "another seed gives other weights" test "$(hash_in "$dir/seed.json")" != "$(hash_in "$dir/whole.json")"
check "quiet training prints nothing" test -z "$("$kiln" train digits --data "$dir/good" --epochs 1 --quiet 2>&1)"

# Words and texts.
mkdir "$dir/words"
for language in english spanish finnish dutch polish; do
  printf '%s\n' abcd bcde cdef defg efgh fghi ghij hijk ijkl jklm klmn lmno mnop nopq opqr >"$dir/words/$language"
done
prints "train language" "^window  *0\.[0-9]" train language --data "$dir/words" --epochs 1 --checkpoint "$dir/language.safetensors"
prints "predict language" "^łódź  *0\.[0-9]" predict language --checkpoint "$dir/language.safetensors" Hello łódź
rejects "a word with a letter of no language" "'don't': expected a word" predict language --checkpoint "$dir/language.safetensors" "don't"
rejects "predict without weights" "expected --checkpoint" predict language hello
rm "$dir/words/dutch"
rejects "a missing list of words" "words: expected a list of words called dutch" train language --data "$dir/words"
prints "predict causal-attention" "^c  *1\.0000  0\.0000  0\.0000$" predict causal-attention cat
check "what comes later is not looked at" grep -q "^a  *0\.[0-9]*  *0\.[0-9]*  *0\.0000$" "$dir/out"
rejects "a text past the block size" "at most 32 characters (block_size), found 33" predict causal-attention "$(printf '%033d' 0)"
rejects "no text" "some text" predict causal-attention ""
echo text >"$dir/text"
rejects "a text that is too short" "at least 340 characters, found 5" train causal-attention --data "$dir/text"
for _ in $(seq 230); do printf abcdefghijklm; done >"$dir/letters"
prints "train mini-gpt" "^abcdefghijklm" train mini-gpt --data "$dir/letters" --epochs 6 --lr 3e-3 --checkpoint "$dir/gpt.safetensors"
prints "mini-gpt goes on as it learned" "^efghijklmabcdefghijklmabcdefghijklm" predict mini-gpt efg --checkpoint "$dir/gpt.safetensors"
prints "an untrained mini-gpt says so" "has learned nothing yet" predict mini-gpt "On Monday"
"$kiln" predict mini-gpt "On Monday" --seed 1 >"$dir/err"
check "another seed writes something else" test "$(cat "$dir/out")" != "$(cat "$dir/err")"
rejects "a character of no text" "found the byte 88 ('X')" predict mini-gpt fghX --checkpoint "$dir/gpt.safetensors"
rejects "nothing to go on from" "some text" predict mini-gpt "" --checkpoint "$dir/gpt.safetensors"
rejects "a checkpoint of another model" "expected a tensor 'vocabulary'" predict mini-gpt fgh --checkpoint "$dir/language.safetensors"

# The models of attention.
prints "nw-parametric's epochs" "^epoch 5, loss [0-9]*\.[0-9]\{6\}$" train nw-parametric --plot "$dir/plots"
for plot in loss fit weights; do
  check "nw-parametric's plot of $plot has its data" test -s "$dir/plots/nw-parametric-$plot.tsv"
done
prints "nw-parametric says where it starts" "^w starts at 0.25$" train nw-parametric --init 0.25
prints "the article's batch products" "(2,1,6)" train nw-average --explain
prints "and their values" "\[\[\[4.5\]\],\[\[14.5\]\]\]" train nw-kernel --explain
prints "nw-kernel predicts" "^2.5: [0-9]" predict nw-kernel 2.5
rejects "nw-kernel of a word" "expected a number, found 'two'" predict nw-kernel two
rejects "points that are no points" "no tensor 'x_train'" train nw-kernel --data "$dir/half.safetensors"
prints "masked-softmax" "0.2270, 0.4099, 0.3630, 0.0000" train masked-softmax
for model in additive-attention dot-attention; do
  prints "$model" "10.0000, 11.0000, 12.0000, 13.0000" train $model
  prints "dump $model" "stablehlo.exponential" dump $model --stage optimized
done

# Programs in StableHLO's text.
cat >"$dir/f.mlir" <<'TEXT'
func.func @main(%arg0: tensor<2x3xf32> {kiln.name = "x"}, %arg1: tensor<3xf32>) -> (tensor<2xf32> {kiln.name = "y"}, tensor<2x3xf32>) {
  %0 = stablehlo.tanh %arg0 : tensor<2x3xf32>
  %1 = stablehlo.dot_general %0, %arg1, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %1, %0 : tensor<2xf32>, tensor<2x3xf32>
}
TEXT
cat >"$dir/checks.mlir" <<'TEXT'
func.func @right() {
  %0 = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = stablehlo.add %0, %0 : tensor<2xf32>
  check.expect_eq_const %1, dense<[2.0, 4.0]> : tensor<2xf32>
  func.return
}

// -----

func.func @also_right() {
  %0 = stablehlo.constant dense<0.5> : tensor<f32>
  %1 = stablehlo.exponential %0 : tensor<f32>
  check.expect_almost_eq_const %1, dense<1.6487> : tensor<f32>
  func.return
}
TEXT
sed 's/4.0/5.0/' "$dir/checks.mlir" >"$dir/wrong_check.mlir"
cat >"$dir/two.mlir" <<'TEXT'
func.func @one() -> tensor<i32> {
  %0 = stablehlo.constant dense<1> : tensor<i32>
  return %0 : tensor<i32>
}
func.func @two() -> tensor<i32> {
  %0 = stablehlo.constant dense<2> : tensor<i32>
  return %0 : tensor<i32>
}
TEXT
cat >"$dir/square.mlir" <<'TEXT'
func.func @main() -> tensor<3xf32> {
  %0 = stablehlo.constant dense<[1.0, 2.0, -3.0]> : tensor<3xf32>
  %1 = stablehlo.multiply %0, %0 : tensor<3xf32>
  return %1 : tensor<3xf32>
}
TEXT
tensors() { # {"NAME": …} <bytes: a safetensors file of that header and those bytes
  byte $((${#1} & 255))
  byte $((${#1} >> 8))
  printf '\0\0\0\0\0\0%s' "$1"
  cat
}
x='"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'
head -c 36 /dev/zero | tensors "{$x,\"arg1\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]}}" >"$dir/x.safetensors"
head -c 24 /dev/zero | tensors "{$x}" >"$dir/lacking.safetensors"
head -c 40 /dev/zero | tensors "{$x,\"arg1\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[24,40]}}" >"$dir/unfit.safetensors"

for mode in fused unfused reference exact; do
  prints "run $mode" "^\[1, 4, 9\]$" run "$dir/square.mlir" --mode $mode
  prints "run $mode with inputs" "^y: tensor<2xf" run "$dir/f.mlir" --inputs "$dir/x.safetensors" --mode $mode
done
prints "run without a main" "@two" run "$dir/two.mlir"
prints "checks pass" "1 of 1 checks passed" run "$dir/checks.mlir"
"$kiln" run "$dir/wrong_check.mlir" >"$dir/out" 2>"$dir/err"
check "a check that fails: status 1" test $? -eq 1
check "a check that fails: says where and what" grep -q "wrong_check.mlir:4.*expected 5, found 4" "$dir/out"
"$kiln" run "$dir/f.mlir" --inputs "$dir/x.safetensors" --outputs "$dir/y.safetensors" >"$dir/out"
check "outputs are named" grep -q '"y"' "$dir/y.safetensors"
check "outputs without a name are numbered" grep -q '"result1"' "$dir/y.safetensors"

prints "grad" "stablehlo.tanh" grad "$dir/f.mlir"
check "grad into a file" "$kiln" grad "$dir/f.mlir" --wrt 1 -o "$dir/g.mlir"
prints "a gradient is a program" "fused" check "$dir/g.mlir"
check "a gradient of a gradient" "$kiln" grad "$dir/g.mlir" -o "$dir/h.mlir"
prints "and so is that" "fused" check "$dir/h.mlir"
prints "check draws arguments" "drawn at random, seed 0" check "$dir/f.mlir"
prints "check takes arguments" "same bits as the reference" check "$dir/f.mlir" --inputs "$dir/x.safetensors"
"$kiln" check "$dir/wrong_check.mlir" >"$dir/out"
check "check judges a file's own checks: status 1" test $? -eq 1
for stage in graph optimized fused loops llvm asm memory; do
  prints "dump $stage of a file" "." dump "$dir/f.mlir" --stage $stage
done
prints "dump dot of a file" "^digraph" dump "$dir/f.mlir" --stage fused --format dot
prints "dump of a file after a pass" "stablehlo" dump "$dir/f.mlir" --after simplify
for stage in graph optimized fused; do
  "$kiln" dump "$dir/f.mlir" --stage $stage >"$dir/dumped.mlir"
  prints "what is dumped after $stage runs" "^y: tensor<2xf32>" run "$dir/dumped.mlir" --inputs "$dir/x.safetensors"
done

# README's program, and what README says of it.
readme=$(dirname "${BASH_SOURCE[0]}")/../README.md
# shellcheck disable=SC2016 # backquotes, as they stand there
sed -n '/^```mlir$/,/^```$/{//!p}' "$readme" >"$dir/readme.mlir"
"$kiln" check "$dir/readme.mlir" >"$dir/out"
while IFS= read -r line; do
  check "README shows what check prints: $line" grep -qxF -- "    $line" "$readme"
done <"$dir/out"
check "README's program has a gradient" "$kiln" grad "$dir/readme.mlir" --wrt 1 -o "$dir/readme_gradient.mlir"

if [[ -w /dev/full ]]; then
  "$kiln" dump "$dir/f.mlir" >/dev/full 2>"$dir/err"
  check "a full disk: status 2" test $? -eq 2
fi

mkdir "$dir/conformance" "$dir/folder.mlir"
cp "$dir/checks.mlir" "$dir/square.mlir" "$dir/conformance"
prints "conformance" "^fused  *1  *1  *0  *0$" conformance "$dir/conformance"
prints "conformance says why files are rejected" "1  checks nothing  (square.mlir)" conformance "$dir/conformance"
cp "$dir/wrong_check.mlir" "$dir/conformance"
"$kiln" conformance "$dir/conformance" --mode reference --json "$dir/conformance.json" >"$dir/out"
check "conformance with a wrong file: status 1" test $? -eq 1
check "conformance lists what is wrong" grep -q "wrong_check.mlir (reference): line 4" "$dir/out"
check "conformance writes an object a run" test "$(wc -l <"$dir/conformance.json")" -eq 3

printf 'func.func @main() -> tensor<f32> {\n  %%0 = stablehlo.nonsense : tensor<f32>\n' >"$dir/bad.mlir"
printf 'module {}' >"$dir/empty.mlir"
head -c 3000 /dev/urandom >"$dir/noise.mlir"
refuses() { # NAME PATTERN ARGS…: status 2, a message that matches, nothing on stdout
  local name=$1 pattern=$2 status=0
  shift 2
  "$kiln" "$@" >"$dir/out" 2>"$dir/err" || status=$?
  check "$name: status 2 (was $status)" test "$status" -eq 2
  check "$name: says /$pattern/ ($(head -c 300 "$dir/err"))" grep -q "$pattern" "$dir/err"
  check "$name: stdout is empty" test ! -s "$dir/out"
}
for command in run grad check dump; do
  refuses "$command of bad text" "bad.mlir:2:" $command "$dir/bad.mlir"
  refuses "$command of noise" "noise.mlir:1:" $command "$dir/noise.mlir"
  refuses "$command of no function" "empty.mlir.*found n" $command "$dir/empty.mlir"
  rejects "$command of a missing file" "none.mlir" $command "$dir/none.mlir"
  rejects "$command of a folder" "cannot read" $command "$dir/folder.mlir"
done
rejects "run without the inputs it needs" "'x' (tensor<2x3xf32>), 'arg1' (tensor<3xf32>)" run "$dir/f.mlir"
rejects "run with an input missing" "none for 'arg1' (tensor<3xf32>)" run "$dir/f.mlir" --inputs "$dir/lacking.safetensors"
rejects "run with an input of another shape" "'arg1' to be tensor<3xf32> (found tensor<4xf32>)" run "$dir/f.mlir" --inputs "$dir/unfit.safetensors"
rejects "check with an input missing" "none for 'arg1'" check "$dir/f.mlir" --inputs "$dir/lacking.safetensors"
rejects "run with a missing file of inputs" "none.safetensors" run "$dir/f.mlir" --inputs "$dir/none.safetensors"
rejects "run with inputs that are text" "f.mlir" run "$dir/f.mlir" --inputs "$dir/f.mlir"
rejects "run in an unknown mode" "no mode 'quick'.*reference, exact" run "$dir/f.mlir" --mode quick
rejects "run on no threads" "threads" run "$dir/square.mlir" --threads -1
rejects "run into a folder that is not there" "none/y.safetensors" run "$dir/square.mlir" --outputs "$dir/none/y.safetensors"
rejects "outputs of several functions" "expected one function" run "$dir/two.mlir" --outputs "$dir/y.safetensors"
rejects "grad of several functions" "found @one, @two" grad "$dir/two.mlir"
rejects "grad by an argument that is not there" "7" grad "$dir/f.mlir" --wrt 7
rejects "grad by something that is no number" "wrt" grad "$dir/f.mlir" --wrt x
rejects "grad into a folder that is not there" "none/g.mlir" grad "$dir/f.mlir" -o "$dir/none/g.mlir"
rejects "dump of a file at an unknown stage" "unknown stage 'nope'" dump "$dir/f.mlir" --stage nope
rejects "dump of a file after an unknown pass" "no pass 'nope'" dump "$dir/f.mlir" --after nope
rejects "conformance of nothing" "none" conformance "$dir/none"
rejects "conformance in an unknown mode" "no mode" conformance "$dir/conformance" --mode quick

echo "$failures failed"
test "$failures" -eq 0
