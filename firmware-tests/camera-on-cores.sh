#!/usr/bin/env bash
# camera-on-cores.sh MODEL.bin [FRAMES]: frames of every format and three sizes on emulated cores, every byte compared.
#
# Each core (all seven, or those of CORES="M4F M0+") scales FRAMES frames of each format and size (20 if not given) whole and row
# by row, and classifies them. Every byte of both inputs, and every logit, must be that of infer-core on the host and of the oracle.
# The model was trained on images that were resized (`trainer fit --data ... --input 96x96x3`). Fails on a mismatch.
set -euo pipefail
. "$(dirname "$0")/cores.bash"
begin_with_model 20 "$@"
export THIMBLE_MODEL=$model
"$on_chip" frames "$scratch/frames" "$count"
for core in ${CORES:-$all_cores}; do
    on_core "$core" camera "$scratch/frames" "$scratch/results" >/dev/null
    echo "$core: $("$on_chip" compare-frames "$model" "$count" "$scratch/results")"
done
