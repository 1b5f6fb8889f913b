#!/usr/bin/env bash
# decisions-on-cores.sh MODEL.bin [IMAGES]: what a model decides on emulated cores, image by image and over all, compared.
#
# The model gets thresholds that some of its answers do not reach, another one for each class. Each core (all seven, or those of
# CORES="M4F M0+") decides of IMAGES test images (500 if not given), and smooths these decisions. All must be those of infer-core on
# the host and of the oracle. Prints the instructions of a decision, those of its exponentials, and of a step of the smoother. Fails
# on a mismatch.
set -euo pipefail
. "$(dirname "$0")/cores.bash"
begin_with_model 500 "$@"
"$on_chip" images "$model" "$scratch/images" "$count"
"$on_chip" thresholds "$model" "$scratch/images" "$scratch/model.bin"
export THIMBLE_MODEL=$scratch/model.bin
for core in ${CORES:-$all_cores}; do
    costs=$(on_core "$core" decisions "$scratch/images" "$scratch/decisions" | grep '^{')
    echo "$core: $("$on_chip" compare-decisions "$THIMBLE_MODEL" "$scratch/images" "$scratch/decisions"), instructions $costs"
done
