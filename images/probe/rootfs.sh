#!/bin/sh
# Lays out the files of the image: rootfs.sh OUT makes OUT/root, one static
# program. Needs Go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
rm -rf "$out"
umask 022
mkdir -p "$out/root"
out=$(cd "$out" && pwd)
cd "$here/../.."
CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" go build -ldflags "-s -w" -o "$out/root/probe" ./images/probe
