#!/bin/sh
# Lays out the files of the image: rootfs.sh OUT makes OUT/root. Needs Maven and a
# JDK; the agent's hash is checked.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
read -r version hash <"$here/agent.lock"
rm -rf "$out"
umask 022
mkdir -p "$out/root"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
"$here/fetch.sh" "$version" "$temp"
jar=$out/root/javaagent.jar
mv "$temp/opentelemetry-javaagent-$version.jar" "$jar"
chmod 644 "$jar"
echo "${hash#sha256:}  $jar" | sha256sum --check --quiet

# The jar has the licences of all that it is made of.
cd "$temp"
jar xf "$jar" META-INF/licenses
{
	echo "This image holds OpenTelemetry's agent for Java $version, unchanged, under the"
	echo "Apache License 2.0, and in it the packages below, each under its licence."
	find . -type f | LC_ALL=C sort | while read -r text; do
		printf '\n%s\n\n' "=== ${text#./}"
		cat "$text"
	done
} >"$out/root/NOTICE"
