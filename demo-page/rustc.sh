#!/usr/bin/env bash
# The compiler for build.sh: crates differ by their names alone, where cargo would add where they are, and no path of this machine is
# written. So the same sources give the same bytes in any directory.
set -euo pipefail
compiler=$1
shift
name=
for argument in "$@"; do
    [ "${previous:-}" != --crate-name ] || name=$argument
    previous=$argument
done
arguments=()
for argument in "$@"; do
    [[ -z $name || $argument != metadata=* ]] || argument=metadata=$name
    arguments+=("$argument")
done
exec "$compiler" "${arguments[@]}" --remap-path-prefix "$REPOSITORY=." --remap-path-prefix "${CARGO_HOME:-$HOME/.cargo}=cargo"
