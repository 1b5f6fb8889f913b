#!/bin/sh
# qemu.sh ELF [ARGUMENT...]: runs a program on an emulated core. Cargo calls it as the runner.
#
# The core is that of the target in ELF's path; THIMBLE_CORE names another (M7 programs are M4F programs, M55 programs have a memory layout of their own).
# THIMBLE_CORE=microbit is a whole micro:bit, for programs that were built with the feature of that name.
# THIMBLE_LOAD=FILE,addr=ADDRESS puts a file into memory.
# One instruction is one nanosecond of virtual time (-icount shift=0), which is how the programs count instructions.
set -eu

elf=$1
shift
case $elf in
*/thumbv6m-*) core=M0+ ;;
*/thumbv7m-*) core=M3 ;;
*/thumbv7em-*) core=M4F ;;
*/thumbv8m.main-*) core=M33 ;;
*/riscv32imc-*) core=RV32IMC ;;
*) core=unknown ;;
esac

core=${THIMBLE_CORE:-$core}
case $core in
M0+ | M3) qemu=qemu-system-arm machine=mps2-an385 cpu=cortex-m3 ;;
M4F) qemu=qemu-system-arm machine=mps2-an386 cpu=cortex-m4 ;;
microbit) qemu=qemu-system-arm machine=microbit cpu= ;;
M7) qemu=qemu-system-arm machine=mps2-an500 cpu=cortex-m7 ;;
M33) qemu=qemu-system-arm machine=mps2-an505 cpu=cortex-m33 ;;
M55) qemu=qemu-system-arm machine=mps3-an547 cpu=cortex-m55 ;;
RV32IMC) qemu=qemu-system-riscv32 machine=virt cpu=rv32,a=false,f=false,d=false ;;
*)
    echo "qemu.sh: no core $core for $elf; there are M0+ M3 M4F M7 M33 M55 RV32IMC and microbit" >&2
    exit 2
    ;;
esac
if ! command -v $qemu >/dev/null; then
    echo "qemu.sh: $qemu is missing; on Debian: apt-get install --no-install-recommends qemu-system-arm qemu-system-misc" >&2
    exit 2
fi

# The arguments travel in one comma-separated option: a comma is written twice.
semihosting=enable=on,target=native,arg=program
for argument in "$@"; do
    semihosting=$semihosting,arg=$(printf %s "$argument" | sed 's/,/,,/g')
done

set -- -M $machine ${cpu:+-cpu $cpu} -nographic -monitor none -serial none -icount shift=0 \
    -semihosting-config "$semihosting" -kernel "$elf"
[ $core != RV32IMC ] || set -- "$@" -bios none
[ -z "${THIMBLE_LOAD:-}" ] || set -- "$@" -device "loader,force-raw=on,file=$THIMBLE_LOAD"
# A program that never ends is a failure, and not a script that never ends.
exec timeout "${THIMBLE_TIMEOUT:-900}" $qemu "$@"
