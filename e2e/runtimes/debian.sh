# Lays out packages of Debian, and all that they depend on, as a root: debian.sh OUT
# PACKAGE ... Their scripts do not run. What only people read is left out.
set -eu
out=$1
shift
debs=$(mktemp -d)
trap 'rm -rf "$debs"' EXIT
mkdir "$debs/partial"
apt-get -qq -o APT::Sandbox::User=root -o Dir::State::status=/dev/null -o APT::Install-Recommends=0 \
	-o Dir::Cache::archives="$debs" install --download-only -y "$@" >/dev/null
# Where all is in /usr, packages count on these links.
for dir in bin sbin lib lib64; do
	mkdir -p "$out/usr/$dir"
	ln -s "usr/$dir" "$out/$dir"
done
for deb in "$debs"/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$out" --keep-directory-symlink
done
rm -rf "$out/usr/share/doc" "$out/usr/share/man" "$out/usr/share/locale" "$out/usr/share/info" "$out/usr/share/lintian" "$out/var"
