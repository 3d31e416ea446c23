package runtimes

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

//go:embed debian.sh
var debianScript string

//go:embed musl.sh
var muslScript string

//go:embed pip.sh
var pipScript string

// Libc is the C library that a Python is built for.
type Libc string

// Those that Python has wheels for.
const (
	Glibc Libc = "glibc"
	Musl  Libc = "musl"
)

// Python is Debian's release of Python for a C library, with the packages that a
// file of requirements pins. Its program is python3. For glibc it is Debian's own
// packages; for musl, which Debian has none for, it is built from Debian's source,
// under /usr/local and without what web servers can do without, as SQLite and curses.
func Python(ctx context.Context, progress io.Writer, libc Libc, requirements string) (kube.Image, error) {
	base, version, err := interpreter(ctx, progress, libc)
	if err != nil {
		return kube.Image{}, err
	}
	pinned, err := read(requirements)
	if err != nil {
		return kube.Image{}, err
	}
	// Each application has builds of its own, or the newest would displace each other.
	app := filepath.Base(filepath.Dir(filepath.Dir(requirements))) + "-" + filepath.Base(filepath.Dir(requirements))
	dir, err := made(ctx, progress, "python-"+string(libc)+"/"+app, pipScript, []string{base, pinned}, base, version, string(libc), requirements)
	if err != nil {
		return kube.Image{}, err
	}
	config := kube.Config{Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, WorkingDir: "/app", Cmd: []string{"python3"}}
	return image(ctx, config, kube.File{Source: dir, Target: "/"})
}

// interpreter is the root of an image with Python alone, and its version, as 3.11.
func interpreter(ctx context.Context, progress io.Writer, libc Libc) (dir, version string, err error) {
	// libstdc++ is what wheels expect of every system.
	glibc, err := debian(ctx, progress, "python3", "libstdc++6")
	if err != nil {
		return "", "", err
	}
	program, err := os.Readlink(filepath.Join(glibc, "usr/bin/python3"))
	if err != nil {
		return "", "", err
	}
	version = strings.TrimPrefix(program, "python")
	if libc == Glibc {
		return glibc, version, nil
	}
	// The sources have the versions of the packages that are made of them.
	var inputs []string
	for _, name := range []string{program, "zlib1g", "libssl-dev", "libffi-dev", "musl-dev"} {
		text, err := output(ctx, "apt-cache", "show", "--no-all-versions", name)
		if err != nil {
			return "", "", err
		}
		inputs = append(inputs, text)
	}
	dir, err = made(ctx, progress, "musl", muslScript, inputs, version)
	return dir, version, err
}

// debian lays out packages of Debian with all that they depend on. Their scripts do
// not run.
func debian(ctx context.Context, progress io.Writer, packages ...string) (string, error) {
	dir, err := tryDebian(ctx, progress, packages)
	if err == nil {
		return dir, nil
	}
	// What this machine knows of Debian may be older than what Debian still has.
	if _, updating := output(ctx, "apt-get", "update", "-q"); updating != nil {
		return "", errors.Join(err, updating)
	}
	return tryDebian(ctx, progress, packages)
}

func tryDebian(ctx context.Context, progress io.Writer, packages []string) (string, error) {
	// The same options as in the script: nothing is installed yet.
	args := []string{"-qq", "-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=0", "install", "--print-uris", "-y"}
	closure, err := output(ctx, "apt-get", append(args, packages...)...)
	if err != nil {
		return "", fmt.Errorf("asking for what %s depend on: %w", strings.Join(packages, ", "), err)
	}
	return made(ctx, progress, "debian", debianScript, []string{closure}, packages...)
}
