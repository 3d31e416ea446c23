#!/bin/sh
# Fetches a release of the agent from Maven Central: fetch.sh VERSION FOLDER, where
# RELEASE is the newest.
set -eu
exec mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
	-Dstyle.color=never -DoutputDirectory="$2" \
	-Dartifact=io.opentelemetry.javaagent:opentelemetry-javaagent:"$1"
