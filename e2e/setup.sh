#!/bin/sh
# Installs the packages that the cluster of the end-to-end tests needs, where they
# are missing: container runtime, network plugins, the tools that Up and Down of
# package kube run, and what builds a Python for musl. Nothing that they bring is
# started.
set -eu

if [ "$(uname -s)" != Linux ] || [ "$(id -u)" -ne 0 ]; then
	echo "The end-to-end tests need root on Linux: they make network links, mounts and cgroups." >&2
	exit 1
fi

packages=
need() { command -v "$1" >/dev/null || packages="$packages $2"; }
need containerd containerd
need ctr containerd
need runc runc
need ip iproute2
need iptables-save iptables
need nft nftables
need conntrack conntrack
need umount mount
need busybox busybox-static
need musl-gcc musl-tools
need make make
need xz xz-utils
perl -MIPC::Cmd -e 1 2>/dev/null || packages="$packages perl"
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || [ -x /usr/libexec/cni/bridge ] || packages="$packages containernetworking-plugins"
[ -r /etc/ssl/certs/ca-certificates.crt ] || packages="$packages ca-certificates"
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null || {
	echo "The end-to-end tests need these packages of Debian, or what is like them:$packages" >&2
	exit 1
}
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of packages
apt-get install -q -y --no-install-recommends $packages
