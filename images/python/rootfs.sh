#!/bin/sh
# Lays out the files of the image: rootfs.sh OUT makes OUT/root. Needs Python 3
# with pip; every package's hash is checked.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
rm -rf "$out"
umask 022
mkdir -p "$out/root"
"$here/pip.sh" --require-hashes --no-compile --target "$out/root/autoinstrumentation" -r "$here/requirements.txt"
python3 "$here/layout.py" "$out/root/autoinstrumentation" "$out/root/NOTICE"
# Pods that say they run on musl get the same tree, by the name that upstream's image
# has for that.
ln -s autoinstrumentation "$out/root/autoinstrumentation-musl"
