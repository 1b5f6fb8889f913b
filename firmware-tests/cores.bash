# Sourced by the scripts here and by .ci/kernel-costs: the emulated cores, what runs on them, and what it weighs.
#
# They are M0+, M3, M4F, M7, M33, M55 and RV32IMC, and microbit, whose memory is smaller. $THIMBLE_MODEL is linked in.

# A command that fails inside of $(...) fails the script, wherever the result goes by an assignment of its own.
shopt -s inherit_errexit

. "$(dirname "${BASH_SOURCE[0]}")/../.ci/shared.bash"

# Incremental compilation gives other code, and what is measured here must not depend on the environment.
export CARGO_INCREMENTAL=0
firmware_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Prints on standard error what takes a while: builds, and programs in the emulator.
progress() { echo "-- $*" >&2; }

# The host's side, built: all of the trainer, for minutes where nothing is built yet, so that cargo shows how far it is. A copy of it in
# $scratch: coverage, which may run beside this, builds the same program so that it counts its lines.
build_on_chip() {
    progress "the host's side, which draws or loads test images and checks what the cores answer"
    (cd "$firmware_tests/.." && cargo build --release --workspace --bin on_chip)
    on_chip=$scratch/on_chip
    cp "$(cd "$firmware_tests/.." && release_directory)/on_chip" "$on_chip"
}

# What runs where CORES names no others.
all_cores="M0+ M3 M4F M7 M33 M55 RV32IMC"

# begin: goes to this directory, with the host's side built and $scratch, which is removed at the end.
begin() {
    cd "$firmware_tests"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    build_on_chip
}

# begin_with_model DEFAULT [ARGUMENT...]: the same for a script that takes MODEL.bin [COUNT]: sets $model, and $count, which is DEFAULT
# where it is not given.
begin_with_model() {
    local default=$1
    shift
    options "$0" 2 "" "$@"
    [ $# -gt 0 ] || { sed -n '2s/^# //p' "$0" >&2 && exit 2; }
    model=$(realpath -e -- "$1")
    count=${2:-$default}
    begin
}

target_of() {
    case $1 in
    M0+ | microbit) echo thumbv6m-none-eabi ;;
    M3) echo thumbv7m-none-eabi ;;
    M4F | M7) echo thumbv7em-none-eabihf ;;
    M33 | M55) echo thumbv8m.main-none-eabihf ;;
    RV32IMC) echo riscv32imc-unknown-none-elf ;;
    *) echo "no core $1; there are M0+, M3, M4F, M7, M33, M55, RV32IMC and microbit" >&2 && exit 2 ;;
    esac
}

# on_core CORE PROGRAM [ARGUMENT...]: what the program prints.
on_core() {
    local core=$1 program=$2 target
    shift 2
    local memory=()
    [ "$core" != microbit ] || memory=(--features microbit)
    target=$(target_of "$core") || return
    progress "$core: $program, built and run"
    (cd "$firmware_tests" && RUSTFLAGS="${RUSTFLAGS:-} $(rustflags_of "$core")" THIMBLE_CORE=$core ../.ci/bare-metal-cargo "$target" \
        run --quiet --release "${memory[@]}" --bin "$program" -- "$@")
}

# bytes_on CORE WHAT [PROFILE]: flash of the program that only loads and classifies, or of the kernels in it, in the build
# settings of `release` unless another profile is named, so that what is counted and what is weighed is the same code. KERNELS names
# other kernels than the core's.
bytes_on() {
    local target kernels
    target=$(target_of "$1")
    kernels=${KERNELS:+--cfg kernels=\"$KERNELS\"}
    progress "$1: bytes of $2"
    (cd "$firmware_tests" && RUSTFLAGS="${RUSTFLAGS:-} ${kernels:-$(rustflags_of "$1")}" THIMBLE_CORE=$1 env "CARGO_TARGET_$(tr 'a-z.-' 'A-Z__' <<<"$target")_RUNNER=$on_chip $2" \
        ../.ci/bare-metal-cargo "$target" run --quiet --profile "${3:-release}" --no-default-features --features link-proof --bin minimal)
}

# Whether on_chip knows what the instructions of a core cost in cycles.
is_modeled() { [[ $1 == M0+ || $1 == M3 || $1 == M4F ]]; }

# modeled CORE IMAGES COUNT PIPE: instructions and modeled cycles of an image, a line of JSON; where FUNCTIONS is 1, before it those of
# functions.
modeled() {
    "$on_chip" cycles "$1" "$4" "$3" "${FUNCTIONS:-0}" &
    THIMBLE_TRACE=$4 on_core "$1" traced "$2" >/dev/null
    wait $!
}

# number KEY JSON: fails where there is none.
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" <<<"$2" | grep .; }
