package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/buildcache"
)

// version is what the components say they are; e2e/cluster/go.mod requires it.
// Without it each calls itself v0.0.0, and clients refuse the version skew.
const version = "v1.36.3"

// buildFlags are for the cluster's module alone. Leaving DWARF out while
// compiling, and not only while linking, saves a fifth of the CPU time.
var buildFlags = []string{"-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=" + linkFlags()}

func linkFlags() string {
	flags := []string{"-s", "-w"}
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range [][2]string{
			{"gitVersion", version}, {"gitMajor", major}, {"gitMinor", minor}, {"gitTreeState", "clean"},
			{"gitCommit", strings.Repeat("0", 40)}, {"buildDate", "1970-01-01T00:00:00Z"},
		} {
			flags = append(flags, "-X", p+"."+v[0]+"="+v[1])
		}
	}
	return strings.Join(flags, " ")
}

// buildEnv is the environment of the cluster's builds: the settings of the
// product's builds (tags above all) are none of theirs.
func buildEnv() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
}

// Root returns the folder of the repository that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "e2e", "cluster", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("looking for the repository: no e2e/cluster/go.mod in or above the working directory")
		}
		dir = parent
	}
}

// kept is how many earlier builds stay: they are 200 MB each.
const kept = 3

// Build returns the folder that holds the binaries kube, kubectl and coredns.
// They are kept in the user's cache folder under a hash of all that goes into
// them, so that a fresh clone finds them; with a cold cache it takes nine
// minutes of CPU time. What it does goes to progress when there is something to
// do. Builds at the same time wait for each other.
func Build(ctx context.Context, progress io.Writer) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	module := filepath.Join(root, "e2e", "cluster")
	key, err := buildKey(ctx, module)
	if err != nil {
		return "", fmt.Errorf("hashing %s: %w", module, err)
	}
	return buildcache.Folder("kube", key, kept, func(dir string) error { return buildInto(ctx, module, dir, progress) })
}

// buildInto builds the binaries into dir.
func buildInto(ctx context.Context, module, dir string, progress io.Writer) error {
	started := time.Now()
	fmt.Fprintf(progress, "building Kubernetes %s (once; some minutes)\n", version)
	args := append([]string{"build"}, buildFlags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", dir+"/", "./cmd/kube", "./cmd/coredns")...)
	cmd.Dir, cmd.Env = module, buildEnv()
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building Kubernetes in %s: %w", module, err)
	}
	if err := os.Symlink("kube", filepath.Join(dir, "kubectl")); err != nil {
		return err
	}
	fmt.Fprintf(progress, "built Kubernetes in %s\n", time.Since(started).Round(time.Second))
	return nil
}

// buildKey hashes what decides what the binaries are: the module's files, the
// flags, the Go release and the platform.
func buildKey(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir, cmd.Env = module, buildEnv()
	platform, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking go for its version: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", platform, buildFlags)
	err = filepath.WalkDir(module, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(module, file)
		fmt.Fprintf(h, "%s %x\n", filepath.ToSlash(rel), sha256.Sum256(content))
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
