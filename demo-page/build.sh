#!/usr/bin/env bash
# Builds the program of the page that `trainer demo` writes:
#   demo-page/build.sh           writes trainer/assets/demo.wasm, and demo.wasm.sources beside it: SHA-256 of it and of all that it is made of
#   demo-page/build.sh --check   fails where these are not what the sources give; bytes are compared where the compiler is the same
# Needs the target wasm32-unknown-unknown (rustup target add wasm32-unknown-unknown).
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/shared.bash
options demo-page/build.sh 0 --check "$@"
assets=trainer/assets
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
release=$target/wasm32-unknown-unknown/release

REPOSITORY=$PWD
export REPOSITORY RUSTC_WRAPPER=$PWD/demo-page/rustc.sh
# In its folder cargo finds the target and what it has. Nothing is left of earlier builds, whose compiler cargo would not know to differ.
(cd demo-page && env -u RUSTFLAGS CARGO_TARGET_DIR="$target" cargo build --quiet --release --locked)
built=$release/thimble_demo_page.wasm
compiler=$(rustc --version)

# What the compiler read, as cargo lists it, and what cargo read.
sources() {
    local root=$PWD
    {
        printf '%s\n' demo-page/{Cargo.toml,Cargo.lock,.cargo/config.toml} infer-core/{Cargo.toml,build.rs}
        tr ' ' '\n' <"$release/thimble_demo_page.d" | sed -n "s|^$root/\(.*\.rs\)\$|\1|p"
    } | LC_ALL=C sort -u
}

if [ "${1:-}" = --check ]; then
    sha256sum --quiet --check "$assets/demo.wasm.sources"
    if ! diff <(sed -n 's/^[0-9a-f]\{64\}  //p' "$assets/demo.wasm.sources" | grep -v '\.wasm$') <(sources); then
        echo "$assets/demo.wasm.sources lists other files than the program is made of; demo-page/build.sh writes it"
        exit 1
    fi
    if [ "$(head -n 1 "$assets/demo.wasm.sources")" = "# $compiler" ]; then
        cmp "$built" "$assets/demo.wasm"
        echo "$assets/demo.wasm is what its sources give"
    else
        echo "the sources of $assets/demo.wasm are those that it was made of; another compiler made it"
    fi
    exit
fi
cp "$built" "$assets/demo.wasm"
chmod 644 "$assets/demo.wasm"
{
    echo "# $compiler"
    sha256sum "$assets/demo.wasm" $(sources)
} >"$assets/demo.wasm.sources"
echo "$assets/demo.wasm: $(wc -c <"$assets/demo.wasm") bytes"
