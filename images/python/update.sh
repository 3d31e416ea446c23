#!/bin/sh
# Updates requirements.txt, the lock file, to the newest release of OpenTelemetry
# and of what it needs, and refuses a set whose members do not fit each other.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
"$here/pip.sh" --dry-run --ignore-installed --report "$temp/exporter" --target "$temp/none" opentelemetry-exporter-otlp-json-http
python3 "$here/lock.py" release "$temp/exporter" <"$here/requirements.in" >"$temp/requirements.in"
"$here/pip.sh" --dry-run --ignore-installed --report "$temp/report" --target "$temp/none" -r "$temp/requirements.in"
python3 "$here/lock.py" lock "$temp/report" >"$temp/requirements.txt"
mv "$temp/requirements.txt" "$here/requirements.txt"
