#!/bin/sh
# Updates agent.lock to the newest release of the agent.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
"$here/fetch.sh" RELEASE "$temp"
jar=$(echo "$temp"/opentelemetry-javaagent-*.jar)
version=${jar##*/opentelemetry-javaagent-}
hash=$(sha256sum "$jar")
echo "${version%.jar} sha256:${hash%% *}" >"$here/agent.lock"
