#!/bin/sh
# Lays out the files of the image: rootfs.sh OUT makes OUT/root. Needs Node.js with
# npm; every package's hash is checked.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
rm -rf "$out"
umask 022
mkdir -p "$out/root"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cp "$here"/package.json "$here"/package-lock.json "$here"/*.js "$temp/"
npm ci --prefix "$temp" --ignore-scripts --no-audit --no-fund --no-update-notifier --silent
node "$here/build.mjs" "$temp" "$out/root/autoinstrumentation" "$out/root/NOTICE"
