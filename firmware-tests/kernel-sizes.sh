#!/usr/bin/env bash
# kernel-sizes.sh [PROFILE [BYTES]]: flash that kernels take in programs for whole networks, by core.
#
# Each program loads and classifies one model, known when it is compiled, and nothing else. PROFILE is `small`, compiled for size (if not
# given), or `release`. CORES and NETWORKS, of the names that `on_chip synthetic` knows, choose others than all. Fails where
# kernels take more than BYTES. Weights are random: code does not depend on them.
set -euo pipefail
. "$(dirname "$0")/cores.bash"
options "$0" 2 "" "$@"
profile=${1:-small}
most=${2:-}
cores=${CORES:-M0+ M3 M4F M33 M55 RV32IMC}
networks=${NETWORKS:-mlp cnn tiny:28x28x1:10 small:28x28x1:10 dscnn:49x10x1:12 mobilenet:96x96x3:2 resnet8:32x32x3:10 \
fast:tiny:28x28x1:10 fast:small:28x28x1:10 fast:resnet8:32x32x3:10}
begin
export THIMBLE_MODEL=$scratch/model.bin
failed=0
# shellcheck disable=SC2086 # a word for each core
printf '| network |%s\n|---|%s\n' "$(printf ' %s |' $cores)" "$(printf -- '---|%.0s' $cores)"
for network in $networks; do
    printf '| %s |' "$network"
    for core in $cores; do
        layout=
        # Weights as its kernels want them.
        [[ $core != M55 || $network == fast:* ]] || layout=vector:
        "$on_chip" synthetic "$layout$network" "$THIMBLE_MODEL" "$scratch/images"
        bytes=$(bytes_on "$core" kernels "$profile")
        printf ' %s |' "$bytes"
        [ -z "$most" ] || [ "$bytes" -le "$most" ] || failed=1
    done
    printf '\n'
done
[ "$failed" = 0 ] || echo "kernels of over $most bytes" >&2
exit "$failed"
