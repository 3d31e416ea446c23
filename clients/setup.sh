#!/bin/sh
# Installs what the client programs and tests need, where it is missing: Node.js
# 18.19 or newer with npm, Python 3.9 or newer with venv, a JDK 11 or newer with
# Maven, and Prometheus.
# The programs' own packages are installed by the tests, as their lock files say.
set -eu

node_ok() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || a == 18 && b >= 19 ? 0 : 1)' 2>/dev/null; }
python_ok() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

packages=
node_ok || packages="$packages nodejs"
npm --version >/dev/null 2>&1 || packages="$packages npm"
python_ok || packages="$packages python3 python3-venv"
python3 -m pip --version >/dev/null 2>&1 || packages="$packages python3-pip"
javac -version >/dev/null 2>&1 || packages="$packages default-jdk-headless"
mvn --version >/dev/null 2>&1 || packages="$packages maven"
prometheus --version >/dev/null 2>&1 || packages="$packages prometheus"
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "The client tests need Node.js >= 18.19 with npm, Python >= 3.9 with venv, a JDK >= 11 with Maven, and Prometheus; on Debian: apt-get install$packages" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of packages
apt-get install -q -y --no-install-recommends $packages
node_ok && npm --version >/dev/null && python_ok || {
	echo "The packages of this Debian release are too old: install Node.js >= 18.19 and Python >= 3.9 by hand" >&2
	exit 1
}
