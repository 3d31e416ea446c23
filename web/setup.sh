#!/bin/sh
# Installs what building and testing the page needs, where it is missing: Node.js
# 20.19 or newer with npm, and Debian's headless Chromium with a font. The npm
# packages are installed by `npm ci`, as the lock file says.
set -eu
cd "$(dirname "$0")"

node_ok() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || a == 22 && b >= 12 || a == 20 && b >= 19 ? 0 : 1)' 2>/dev/null; }

packages=
node_ok || packages="$packages nodejs"
npm --version >/dev/null 2>&1 || packages="$packages npm"
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || packages="$packages chromium-headless-shell fonts-dejavu-core"

if [ -n "$packages" ]; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "The page's tests need Node.js >= 20.19 with npm and Chromium; on Debian: apt-get install$packages" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	# shellcheck disable=SC2086 # a list of packages
	apt-get install -q -y --no-install-recommends $packages
	node_ok || { echo "The Node.js of this Debian release is too old: install 20.19 or newer by hand" >&2; exit 1; }
fi

# npm ci takes a quarter of a minute; what is installed already stays.
if ! cmp -s package-lock.json node_modules/.installed-lock; then
	npm ci --no-audit --no-fund
	cp package-lock.json node_modules/.installed-lock
fi
