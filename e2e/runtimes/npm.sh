# Makes a root with the packages of a lock file in /app: npm.sh OUT PACKAGE.JSON LOCK.
set -eu
out=$1 manifest=$2 lock=$3
mkdir -p "$out/app"
cp "$manifest" "$lock" "$out/app/"
npm ci --prefix "$out/app" --ignore-scripts --no-audit --no-fund --no-update-notifier --silent
