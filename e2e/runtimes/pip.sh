# Makes a root of one with Python, and of packages: pip.sh OUT BASE VERSION LIBC
# REQUIREMENTS. Packages have wheels for the C library, or for all; all is compiled,
# as it is where packages are installed by their scripts. Files have no times in our
# images, so what is compiled must not be compared with them.
set -eu
out=$1 base=$2 version=$3 libc=$4 requirements=$5
case $libc in
glibc) python=/usr/bin/python3 site=dist-packages libs=/usr/lib/python$version && set -- manylinux_2_17 manylinux2014 manylinux_2_28 ;;
musl) python=/usr/local/bin/python3 site=site-packages libs= && set -- musllinux_1_1 musllinux_1_2 ;;
esac
platforms=
for platform in "$@"; do platforms="$platforms --platform ${platform}_$(uname -m)"; done
tag=cp$(echo "$version" | tr -d .)
cp -al "$base/." "$out"
# shellcheck disable=SC2086 # lists of options and folders
{
	python3 -m pip --disable-pip-version-check --quiet install --no-deps --no-compile --root-user-action=ignore --only-binary=:all: \
		--python-version "$version" --implementation cp --abi "$tag" --abi abi3 --abi none $platforms \
		--target "$out/usr/local/lib/python$version/$site" -r "$requirements"
	chroot "$out" "$python" -m compileall -q --invalidation-mode=unchecked-hash $libs "/usr/local/lib/python$version"
}
