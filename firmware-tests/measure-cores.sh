#!/usr/bin/env bash
# measure-cores.sh: what infer-core takes of each emulated core, as ../trainer/hardware/cores.toml, which it writes.
#
# Networks of one layer, with random weights, classify images without zeros. From the instructions of their layers
# follows what a multiply-accumulate, an output and an input cost: the least squares of relative errors.
set -euo pipefail
cd "$(dirname "$0")"
. ./cores.bash
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build_on_chip

mapfile -t layers < <("$on_chip" layers)
{
    echo "# What infer-core takes of each core, measured in an emulator by firmware-tests/measure-cores.sh, which writes this."
    echo "#"
    echo "# code: bytes of flash of a program that loads and classifies; stack: bytes, at most, while it does. costs: instructions"
    echo "# of each kernel, for what Work in ../src/hardware/instructions.rs counts; how far they are off is written after them."
    for core in M0+ M3 M4F M7 M33 RV32IMC; do
        for layer in "${layers[@]}"; do
            "$on_chip" synthetic "$layer" "$scratch/model.bin" "$scratch/images"
            export THIMBLE_MODEL=$scratch/model.bin
            on_core "$core" bench "$scratch/images" >"$scratch/bench"
            # The second line is the first layer's.
            instructions=$(sed -n '2s/.* //p' "$scratch/bench")
            stack=$(number stack_bytes "$(tail -n 1 "$scratch/bench")")
            echo "$layer $instructions $stack"
        done >"$scratch/measured"
        code=$(bytes_on "$core" flash)
        "$on_chip" fit-costs "$core" "$code" "$scratch/measured"
    done
} >"$scratch/cores.toml"
mv "$scratch/cores.toml" ../trainer/hardware/cores.toml
