#!/bin/sh
# Updates package.json and the lock file to the newest releases of the last line of
# OpenTelemetry that runs on Node.js 18 and 20; 0.82 needs 22.15.
set -eu
cd "$(dirname "$0")"
npm install --package-lock-only --ignore-scripts --no-audit --no-fund --no-update-notifier --save-dev --save-exact \
	@opentelemetry/auto-instrumentations-node@~0.81.0 @opentelemetry/sdk-node@~0.223.0 @opentelemetry/core@^2 @opentelemetry/resources@^2 \
	@opentelemetry/api@^1 @opentelemetry/api-logs@~0.223.0 import-in-the-middle@^3 esbuild@^0
