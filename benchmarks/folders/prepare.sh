#!/usr/bin/env bash
# Everything that the tasks of this folder need, into DIRECTORY: a virtual environment with pinned packages, images of emoji from two
# packages of npm, and the fonts of Debian packages (all of them in its main section). Nothing is installed elsewhere.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: prepare.sh DIRECTORY" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip install --quiet --requirement "$here/requirements.txt"
for vendor in google twitter; do
    package=emoji-datasource-$vendor
    [ -d "$package" ] && continue
    archive=$(npm pack --silent "$package@16.0.0")
    mkdir "$package.part"
    tar xzf "$archive" -C "$package.part" --strip-components=1 package/emoji.json "package/img/$vendor/64"
    rm "$archive"
    mv "$package.part" "$package"
done
if [ ! -d fonts ]; then
    rm -rf fonts.part packages.part
    mkdir fonts.part packages.part
    (cd packages.part && xargs -a "$here/font-packages.txt" apt-get download -qq)
    for package in packages.part/*.deb; do dpkg -x "$package" packages.part/all; done
    find packages.part/all -type f \( -name '*.otf' -o -name '*.ttf' \) -exec cp {} fonts.part \;
    rm -r packages.part
    mv fonts.part fonts
fi
