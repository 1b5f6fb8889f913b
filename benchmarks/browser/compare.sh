#!/usr/bin/env bash
# Microseconds per image on one thread of this machine: the program of the page of `trainer demo` (WebAssembly with simd128, in Node.js), and
# the native kernels for SSE2, which have the same vectors, in turns:
#   benchmarks/browser/compare.sh [MODEL.bin...]
# Without models it makes networks with random weights. Prints the medians of ROUNDS (5), of the shortest time of each, and the quotient.
set -euo pipefail
. "$(dirname "$0")/../../.ci/shared.bash"
options "$0" 100 "" "$@"
models=()
for model in "$@"; do
    models+=("$(realpath -e "$model")")
done
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A folder of its own, as other flags would make cargo build everything again in turns.
native=$(dirname "$(release_directory)")/sse2
RUSTFLAGS='--cfg kernels="sse2"' CARGO_TARGET_DIR=$native cargo build --quiet --release -p thimble-infer-core --example inference
if [ ${#models[@]} -eq 0 ]; then
    cargo build --quiet --release --workspace --bin on_chip
    for model in mlp:28x28x1:10 cnn:28x28x1:10 small:28x28x1:10 tiny:28x28x1:10 resnet8:32x32x3:10 mobilenet:96x96x3:2; do
        "$(release_directory)/on_chip" synthetic "$model" "$scratch/${model%%:*}.bin" "$scratch/images" >/dev/null
        models+=("$scratch/${model%%:*}.bin")
    done
fi
for round in $(seq "${ROUNDS:-5}"); do
    echo "round $round" >&2
    for model in "${models[@]}"; do
        name=$(basename "$model" .bin)
        "$native/release/examples/inference" "$model" | awk '{ print $2 }' >>"$scratch/$name.native"
        node benchmarks/browser/time.mjs trainer/assets/demo.wasm "$model" | awk '{ print $2 }' >>"$scratch/$name.wasm"
    done
done

sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
echo "Node.js $(node --version)"
printf '%-12s %12s %12s %12s\n' model SSE2 WebAssembly quotient
for model in "${models[@]}"; do
    name=$(basename "$model" .bin)
    here=$(median "$scratch/$name.native")
    there=$(median "$scratch/$name.wasm")
    printf '%-12s %9.1f µs %9.1f µs %12.2f\n' "$name" "$here" "$there" "$(awk "BEGIN { print $there / $here }")"
done
