# Makes what every root has: base.sh OUT.
set -eu
out=$1
mkdir "$out/etc" "$out/tmp"
chmod 1777 "$out/tmp"
printf 'root:x:0:0:root:/:/bin/sh\napp:x:65532:65532:app:/:/bin/sh\n' >"$out/etc/passwd"
printf 'root:x:0:\napp:x:65532:\n' >"$out/etc/group"
