#!/usr/bin/env bash
# measure-cores.sh: what infer-core takes of each emulated core, as ../trainer/hardware/cores.toml, which it writes.
#
# Networks of one layer, with random weights, classify images without zeros. From the instructions of their layers
# follows what a multiply-accumulate, an output and an input cost: the least squares of relative errors. Programs that load and
# classify are weighed with all operators, with those of chains of convolutions, and with those of fully connected layers.
set -euo pipefail
cd "$(dirname "$0")"
. ./cores.bash
options ./measure-cores.sh 0 "" "$@"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build_on_chip

mapfile -t layers < <("$on_chip" layers)
{
    echo "# What infer-core takes of each core, measured in an emulator by firmware-tests/measure-cores.sh, which writes this."
    echo "#"
    echo "# code: bytes of flash of programs that load and classify, by the operators that they hold, as in the header of a model file;"
    echo "# stack: bytes, at most, while they do. costs: instructions of each kernel, for what Work in ../src/network/work.rs counts;"
    echo "# how far they are off is written after them."
    for core in M0+ M3 M4F M7 M33 RV32IMC; do
        for layer in "${layers[@]}"; do
            "$on_chip" synthetic "$layer" "$scratch/model.bin" "$scratch/images"
            export THIMBLE_MODEL=$scratch/model.bin
            on_core "$core" bench "$scratch/images" >"$scratch/bench"
            # The line before that of the logits is the layer's.
            instructions=$(grep -B 1 '^  logits ' "$scratch/bench" | sed -n '1s/.* //p')
            stack=$(number stack_bytes "$(tail -n 1 "$scratch/bench")")
            echo "$layer $instructions $stack"
        done >"$scratch/measured"
        for network in mlp chain all; do
            "$on_chip" synthetic "$network" "$scratch/$network.bin" "$scratch/images"
            export THIMBLE_MODEL=$scratch/$network.bin
            echo "$THIMBLE_MODEL $(bytes_on "$core" flash)"
        done >"$scratch/code"
        "$on_chip" fit-costs "$core" "$scratch/code" "$scratch/measured"
    done
} >"$scratch/cores.toml"
mv "$scratch/cores.toml" ../trainer/hardware/cores.toml
