package runtimes

import (
	"context"
	_ "embed"
	"io"
	"path/filepath"
	"slices"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

//go:embed jlink.sh
var jlinkScript string

//go:embed maven.sh
var mavenScript string

// javaHome is where images have Java.
const javaHome = "/opt/java"

// Java is the JRE of this machine's JDK, with a program in /app: the classes of a
// folder's *.java, and the libraries that its pom.xml names. The pod's command says
// which class is the program: java Main.
func Java(ctx context.Context, progress io.Writer, folder string) (kube.Image, error) {
	version, err := output(ctx, "java", "--version")
	if err != nil {
		return kube.Image{}, err
	}
	jre, err := made(ctx, progress, "java", jlinkScript, []string{version})
	if err != nil {
		return kube.Image{}, err
	}
	if jre, err = filepath.EvalSymlinks(jre); err != nil { // as libraries are named
		return kube.Image{}, err
	}
	sources, err := filepath.Glob(filepath.Join(folder, "*.java"))
	if err != nil {
		return kube.Image{}, err
	}
	text, err := read(append(slices.Clone(sources), filepath.Join(folder, "pom.xml"))...)
	if err != nil {
		return kube.Image{}, err
	}
	app, err := made(ctx, progress, "java-packages", mavenScript, []string{version, text}, append([]string{filepath.Join(folder, "pom.xml")}, sources...)...)
	if err != nil {
		return kube.Image{}, err
	}
	programs, err := filepath.Glob(filepath.Join(jre, "lib", "*.so"))
	if err != nil {
		return kube.Image{}, err
	}
	programs = append(programs, filepath.Join(jre, "bin", "java"), filepath.Join(jre, "lib", "server", "libjvm.so"))
	libraries, err := linked(ctx, programs...)
	if err != nil {
		return kube.Image{}, err
	}
	// Its own are found from where the program is.
	libraries = slices.DeleteFunc(libraries, func(f kube.File) bool { return within(jre, f.Source) })
	config := kube.Config{Env: []string{"PATH=" + javaHome + "/bin:/usr/bin:/bin", "CLASSPATH=/app/classes:/app/lib/*"}, WorkingDir: "/app"}
	return image(ctx, config, append(libraries, kube.File{Source: app, Target: "/"}, kube.File{Source: jre, Target: javaHome})...)
}

// within reports whether a path is in a folder.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
