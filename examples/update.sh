#!/bin/sh
# Pins the newest packages of the Python programs: each requirements.in becomes
# requirements.txt.
set -eu
cd "$(dirname "$0")"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
for wanted in */*/requirements.in; do
	python3 -m venv "$temp/venv"
	"$temp/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$wanted"
	"$temp/venv/bin/pip" freeze --exclude pip --exclude setuptools >"${wanted%.in}.txt"
	rm -r "$temp/venv"
done
