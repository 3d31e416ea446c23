# Builds Python for musl from Debian's source, as a root: musl.sh OUT VERSION, where
# VERSION is 3.11. Modules are linked into the interpreter; those that need further
# libraries are left out, but for zlib, OpenSSL and libffi, which much loads even
# where it does not use them. Needs musl-tools, make and perl.
set -eu
out=$1 version=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Debian's sources from where this machine has its packages from, as they were
# released: mirrors have them all, and of updates not always.
mkdir -p lists/partial debs/partial
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ ! -r "$key" ] || by="[signed-by=$key] "
apt-get indextargets --format "deb-src ${by:-}\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 'Origin: Debian' |
	grep -v -e -security -e -updates | sort -u >sources.list
fetch() {
	apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}
fetch update
fetch source --download-only --tar-only "python$version" zlib openssl libffi >/dev/null
mkdir python zlib openssl libffi deps deps/include deps/lib
tar -xf "python${version}"_*.orig.tar.* -C python --strip-components=1
tar -xf zlib_*.orig.tar.* -C zlib --strip-components=1
tar -xf libffi_*.orig.tar.* -C libffi --strip-components=1
for part in openssl_*.orig.tar.*; do
	case $part in *.asc) ;; *) tar -xf "$part" -C openssl --strip-components=1 ;; esac
done

# Nothing of this machine's own libraries, nor the name of its platform. Threads of
# musl have 128 KiB of stack, which is not enough for Python.
cat >cc <<-"END"
	#!/bin/sh
	[ "$1" != --print-multiarch ] || exit 0
	exec musl-gcc "$@"
END
chmod +x cc
export CC="$work/cc" CFLAGS="-O1 -DTHREAD_STACK_SIZE=0x100000" MAKEFLAGS="-j$(nproc)" PKG_CONFIG=false
quietly() {
	"$@" >"$work/log" 2>&1 || {
		tail -30 "$work/log" >&2
		exit 1
	}
}
(
	cd zlib
	quietly ./configure --static
	quietly make libz.a
	cp zlib.h zconf.h ../deps/include/
	cp libz.a ../deps/lib/
)
(
	cd libffi
	quietly ./configure --disable-shared --disable-docs --disable-exec-static-tramp --disable-multi-os-directory --prefix="$work/deps" --libdir="$work/deps/lib"
	quietly make install
)
(
	# Without what nobody asks for, and what needs headers of the kernel.
	cd openssl
	without=
	for part in shared tests engine async dso module legacy comp ktls afalgeng devcryptoeng secure-memory ui-console \
		aria bf camellia cast gost idea md4 mdc2 rc2 rc4 rc5 rmd160 seed siv sm2 sm3 sm4 whirlpool srp srtp cms cmp ct ts ec2m dsa; do
		without="$without no-$part"
	done
	# shellcheck disable=SC2086 # a list of options
	CFLAGS= quietly ./Configure "linux-$(uname -m)" $without -O0 --prefix=/usr/local --openssldir=/etc/ssl
	quietly make build_generated
	quietly make libcrypto.a libssl.a
	cp -r include/openssl ../deps/include/
	cp libcrypto.a libssl.a ../deps/lib/
)
cd python
quietly ./configure --prefix=/usr/local --without-ensurepip --with-openssl="$work/deps" OPT= \
	CPPFLAGS="-I$work/deps/include" LDFLAGS="-L$work/deps/lib" ZLIB_CFLAGS="-I$work/deps/include" ZLIB_LIBS="-L$work/deps/lib -lz" \
	LIBFFI_CFLAGS="-I$work/deps/include" LIBFFI_LIBS="-L$work/deps/lib -lffi"
# Of the list of all modules that can be built here, without tests and what is
# seldom used.
sed -e 's/^\*shared\*/*static*/' -e '/^_test\|^_xx\|^xx\|^_ctypes_test\|^_codecs\|^_multibytecodec\|^_decimal\|^_crypt\|^_curses\|^ossaudiodev\|^audioop\|^nis\|^_tkinter\|^_dbm\|^_gdbm/d' \
	Modules/Setup.stdlib >Modules/Setup.local
grep -q '^_ctypes ' Modules/Setup.local || # releases before 3.12 look for libffi elsewhere
	echo "_ctypes _ctypes/_ctypes.c _ctypes/callbacks.c _ctypes/callproc.c _ctypes/stgdict.c _ctypes/cfield.c" \
		"-DHAVE_FFI_PREP_CIF_VAR -DHAVE_FFI_PREP_CLOSURE_LOC -DHAVE_FFI_CLOSURE_ALLOC -I$work/deps/include -L$work/deps/lib -lffi" >>Modules/Setup.local
quietly make python pybuilddir.txt

lib=$out/usr/local/lib/python$version
mkdir -p "$out/usr/local/bin" "$lib/lib-dynload" "$lib/site-packages" "$out/lib"
strip -o "$out/usr/local/bin/python$version" python
ln -s "python$version" "$out/usr/local/bin/python3"
ln -s python3 "$out/usr/local/bin/python"
(cd Lib && tar -c --exclude=test --exclude=tests --exclude=idlelib --exclude=tkinter --exclude=turtledemo \
	--exclude=lib2to3 --exclude=ensurepip --exclude=__pycache__ .) | tar -x -C "$lib"
cp "$(cat pybuilddir.txt)"/_sysconfigdata*.py "$lib/"
# What loads programs is the C library itself.
cp -L /lib/ld-musl-*.so.1 "$out/lib/"
