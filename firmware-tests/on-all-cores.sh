#!/usr/bin/env bash
# on-all-cores.sh MODEL.bin... [IMAGES]: the same model on seven emulated cores, every logit compared with the host's.
#
# Each core classifies IMAGES test images (500 if not given) of Fashion-MNIST (FASHION_MNIST_DIR, the cache) or of the
# built-in garments, and writes its logits back; infer-core on the host and the oracle must have the same. The
# instructions of the first BENCH_IMAGES of them (200) are counted. Prints a table, writes it as cores.json, and fails on
# a mismatch. cores.json goes into the run's directory where one model is given and it is in one, else where the script was
# called; RESULTS=FILE puts it elsewhere. CORES="M4F M7" runs these cores only; the micro:bit's memory is smaller, so it runs
# when it is named: CORES=microbit. DATA=DIRECTORY takes the images from a directory of your own, those held out for the
# test. NOISE=1 takes inputs that are no images, for an imported network whose input no picture has the shape of.
set -euo pipefail

. "$(dirname "$0")/cores.bash"
options "$0" 999 "" "$@"

usage() {
    sed -n '2s/^# //p' "$0" >&2
    exit 2
}

images=500
if [[ ${*: -1} =~ ^[0-9]+$ ]]; then
    images=${*: -1}
    set -- "${@:1:$#-1}"
fi
[ $# -gt 0 ] && [ "$images" -gt 0 ] || usage
models=()
for model in "$@"; do
    models+=("$(realpath -e -- "$model")")
done
counted=$((images < ${BENCH_IMAGES:-200} ? images : ${BENCH_IMAGES:-200}))
results=$PWD/cores.json
if [ ${#models[@]} -eq 1 ] && [ -f "$(dirname "${models[0]}")/run.json" ]; then
    results=$(dirname "${models[0]}")/cores.json
fi
[ -z "${RESULTS:-}" ] || results=$(realpath -m -- "$RESULTS")
data=()
[ -z "${DATA:-}" ] || data=("$(realpath -e -- "$DATA")")
begin

# What a command prints; where it fails, on standard error too, as a program on a core has no other way to say why.
said() {
    local status=0
    "$@" >"$scratch/said" || status=$?
    cat "$scratch/said"
    [ "$status" -ne 0 ] || return 0
    cat "$scratch/said" >&2
    echo "error: exit status $status of: ${*:2}" >&2
    return "$status"
}

failed=0
lines=()
row='%-8s %-12s %7s %10s %12s %12s %12s %6s %6s %6s %8s\n'
# shellcheck disable=SC2059
printf "$row" core model images mismatches instructions most "no zeros" stack arena flash kernels
for model in "${models[@]}"; do
    export THIMBLE_MODEL=$model
    if [ -n "${NOISE:-}" ]; then
        "$on_chip" noise "$model" "$scratch/images" "$images"
        "$on_chip" noise "$model" "$scratch/counted" "$counted"
    else
        "$on_chip" images "$model" "$scratch/images" "$images" "${data[@]}"
        "$on_chip" images "$model" "$scratch/counted" "$counted" "${data[@]}" 2>/dev/null
    fi
    for core in ${CORES:-$all_cores}; do
        said on_core "$core" parity "$scratch/images" "$scratch/logits" >/dev/null
        verdict=$("$on_chip" compare "$model" "$scratch/images" "$scratch/logits") || failed=1
        mismatches=$(sed 's/.*images, \([0-9]*\) mismatches.*/\1/' <<<"$verdict")
        line=$(said on_core "$core" bench "$scratch/counted" | grep '^{')
        code=$(bytes_on "$core" flash)
        kernels=$(bytes_on "$core" kernels)
        name=$(sed 's/.*"model":"\([^"]*\)".*/\1/' <<<"$line")
        mean=$(number instructions_mean "$line")
        most=$(number instructions_max "$line")
        dense=$(number instructions_dense "$line")
        stack=$(number stack_bytes "$line")
        arena=$(number arena_bytes "$line")
        # shellcheck disable=SC2059
        printf "$row" "$core" "$name" "$images" "$mismatches" "$mean" "$most" "$dense" "$stack" "$arena" "$code" "$kernels"
        lines+=("{\"core\": \"$core\", \"model\": \"$name\", \"images\": $images, \"mismatches\": $mismatches, \
\"instructions_mean\": $mean, \"instructions_max\": $most, \"instructions_dense\": $dense, \
\"stack_bytes\": $stack, \"arena_bytes\": $arena, \"code_bytes\": $code, \"kernels_bytes\": $kernels}")
    done
done
{
    echo "["
    for ((i = 0; i < ${#lines[@]}; i++)); do
        echo "  ${lines[i]}$([ $((i + 1)) -lt ${#lines[@]} ] && echo , || true)"
    done
    echo "]"
} >"$results"
echo "written: $results" >&2
exit $failed
