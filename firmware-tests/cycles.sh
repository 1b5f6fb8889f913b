#!/usr/bin/env bash
# cycles.sh MODEL.bin... [IMAGES]: instructions of an inference on M0+, M3 and M4F, and modeled cycles.
#
# The emulator writes down every block of instructions that it executes for IMAGES test images (5 if not given), and each
# instruction has the cycles of its core's manual: memory without wait states, loads, stores and taken branches as they cost there
# (../tests/src/bin/on_chip/cycles.rs has the table). Silicon has flash that waits, caches and buses: only a board tells cycles.
# DATA=DIRECTORY takes images of a directory of your own, CORES="M4F" this core alone; FUNCTIONS=1 lists what each function takes.
set -euo pipefail
. "$(dirname "$0")/../.ci/shared.bash"
options "$0" 999 "" "$@"
images=5
if [[ ${*: -1} =~ ^[0-9]+$ ]]; then
    images=${*: -1}
    set -- "${@:1:$#-1}"
fi
[ $# -gt 0 ] && [ "$images" -gt 0 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
models=()
for model in "$@"; do
    models+=("$(realpath -e -- "$model")")
done
data=()
[ -z "${DATA:-}" ] || data=("$(realpath -e -- "$DATA")")
cd "$(dirname "$0")"
. ./cores.bash
scratch=$(mktemp -d)
# Nobody writes a trace where the program did not build.
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT
build_on_chip
mkfifo "$scratch/trace"
row='%-5s %-12s %7s %12s %12s %24s\n'
# shellcheck disable=SC2059
printf "$row" core model images instructions cycles "cycles an instruction"
for model in "${models[@]}"; do
    export THIMBLE_MODEL=$model
    "$on_chip" images "$model" "$scratch/images" "$images" "${data[@]}" 2>/dev/null
    for core in ${CORES:-M0+ M3 M4F}; do
        modeled "$core" "$scratch/images" "$images" "$scratch/trace" >"$scratch/modeled"
        grep -v '^{' "$scratch/modeled" || true
        line=$(tail -n 1 "$scratch/modeled")
        instructions=$(number instructions "$line")
        cycles=$(number cycles "$line")
        # shellcheck disable=SC2059
        printf "$row" "$core" "$(basename "$model" .bin)" "$images" "$instructions" "$cycles" "$(awk "BEGIN { printf \"%.2f\", $cycles / $instructions }")"
    done
done
