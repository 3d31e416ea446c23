#!/bin/sh
# Lays out the files of the image: rootfs.sh BINARY OUT makes OUT/root, all that
# belongs to root, and OUT/data, the folder that Signalbox keeps its data in.
set -eu
binary=$1 out=$2
certificates=/etc/ssl/certs/ca-certificates.crt
[ -r "$certificates" ] || {
	echo "$0: no $certificates; on Debian: apt-get install ca-certificates" >&2
	exit 1
}

rm -rf "$out"
umask 022
mkdir -p "$out/root/etc/ssl/certs" "$out/root/tmp" "$out/data"
chmod 1777 "$out/root/tmp"
ln "$binary" "$out/root/signalbox" 2>/dev/null || cp "$binary" "$out/root/signalbox"
# Under the names of the collectors' programs the binary is a collector, so that
# a manifest's command keeps working.
for name in otelcol otelcol-contrib otelcol-k8s otelcontribcol otelcorecol; do
	ln -s signalbox "$out/root/$name"
done
cp -L "$certificates" "$out/root/etc/ssl/certs/"
echo "signalbox:x:65532:65532:Signalbox:/data:/sbin/nologin" >"$out/root/etc/passwd"
echo "signalbox:x:65532:" >"$out/root/etc/group"
