# Makes a root with a program of Java in /app: maven.sh OUT POM SOURCE ...
set -eu
out=$1 pom=$2
shift 2
mkdir -p "$out/app/classes"
mvn --quiet --batch-mode -Dstyle.color=never -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
	-DincludeScope=runtime -DoutputDirectory="$out/app/lib"
javac -parameters -cp "$out/app/lib/*" -d "$out/app/classes" "$@"
