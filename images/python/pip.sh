#!/bin/sh
# Runs pip so that it sees wheels of pure Python alone, as an interpreter of the
# oldest release that we support would: pip.sh ARGUMENTS OF pip install.
set -eu
exec python3 -m pip --disable-pip-version-check --quiet install --no-deps --root-user-action=ignore \
	--only-binary=:all: --platform any --implementation py --abi none --python-version 3.10 "$@"
