#!/usr/bin/env bash
# measure-cores.sh: what infer-core takes of each emulated core, as ../trainer/hardware/cores.toml, and what whole networks take there,
# as ../trainer/hardware/networks.tsv. It writes both.
#
# Networks of one layer, with random weights, classify images without zeros. From the instructions of their layers
# follows what a multiply-accumulate, an output and an input cost: the least squares of relative errors. Programs that load and
# classify are weighed with all operators, and with those of mlp, of small, which cnn and tiny have too, of chains with any pools, of
# dscnn, which mobilenet has too, of resnet8, and of any layers whose weights are compact; of the last two and of small once more with
# transformed weights (fast).
# On the cores whose cycles ./cycles.sh models, the mean over networks of cycles an instruction.
# Whole networks, whose activations are without zeros too, are counted for a test: estimates must be near what they take.
set -euo pipefail
cd "$(dirname "$0")"
. ./cores.bash
options ./measure-cores.sh 0 "" "$@"
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT
build_on_chip
mkfifo "$scratch/trace"

"$on_chip" measured "$scratch/networks"
{
    echo "# Instructions of an inference, counted in an emulator by firmware-tests/measure-cores.sh, which writes this: of networks with"
    echo "# random weights, no activation of which is zero. NAME:INPUT:CLASSES."
} >"$scratch/networks.tsv"
{
    echo "# What infer-core takes of each core, measured in an emulator by firmware-tests/measure-cores.sh, which writes this."
    echo "#"
    echo "# code: programs that load and classify, by the operators that they hold, as in the header of a model file: bytes of flash, and"
    echo "# of stack, at most, for the networks that were measured. cycles: of an instruction, modeled without wait states. costs: instructions of each kernel, for what Work in"
    echo "# ../src/network/work.rs counts; how far they are off is written after them."
    for core in $all_cores; do
        : >"$scratch/traced"
        networks=(mlp small:28x28x1:10 fast:small:28x28x1:10 chain dscnn:49x10x1:12 resnet8:32x32x3:10 fast:resnet8:32x32x3:10
            everything fast:everything)
        # Where kernels for them are.
        [ "$core" != M55 ] || networks+=(vector:mlp vector:small:28x28x1:10 vector:dscnn:49x10x1:12 vector:resnet8:32x32x3:10)
        for network in "${networks[@]}" all; do
            export THIMBLE_MODEL=$scratch/${network//[^a-z0-9]/-}.bin
            "$on_chip" synthetic "$network" "$THIMBLE_MODEL" "$scratch/images"
            flash=$(bytes_on "$core" flash)
            on_core "$core" costs "$scratch/networks" >"$scratch/measured"
            # Loading may be inlined in another way where the model is part of the program: the deeper of both counts.
            head -c "$(($(wc -c <"$scratch/images") / 12))" "$scratch/images" >"$scratch/image"
            linked=$(number stack_bytes "$(on_core "$core" bench "$scratch/image" | tail -n 1)")
            if is_modeled "$core" && [[ ! $network =~ (chain|everything|all)$ ]]; then
                modeled "$core" "$scratch/image" 1 "$scratch/trace" >>"$scratch/traced"
            fi
            echo "$THIMBLE_MODEL $flash $({ echo "$linked"; cut -d ' ' -f 4 "$scratch/measured"; } | sort -n | tail -n 1)"
        done >"$scratch/code"
        # Of the last program, which holds all operators.
        "$on_chip" counted "$core" "$scratch/measured" >>"$scratch/networks.tsv"
        "$on_chip" fit-costs "$core" "$scratch/code" "$scratch/measured" "$scratch/traced"
    done
} >"$scratch/cores.toml"
mv "$scratch/cores.toml" "$scratch/networks.tsv" ../trainer/hardware/
