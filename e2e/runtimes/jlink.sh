# Makes a JRE of this machine's JDK: jlink.sh OUT. What needs a screen is
# left out of it, as it is of servers' images.
set -eu
out=$1
rmdir "$out"
jlink --add-modules java.se,jdk.unsupported,jdk.httpserver,jdk.management,jdk.crypto.ec,jdk.zipfs,jdk.jfr \
	--strip-java-debug-attributes --no-header-files --no-man-pages --output "$out"
rm -f "$out/lib/libawt_xawt.so" "$out/lib/libsplashscreen.so" "$out/lib/libjsound.so"
"$out/bin/java" -Xshare:dump >/dev/null
