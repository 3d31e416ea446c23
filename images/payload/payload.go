// Package payload builds the payload images: the agents that the operator puts
// into pods, from the packages of their languages' registries, and the probe that
// chooses among them. images/NAME holds
// an image's Dockerfile, its sources, and rootfs.sh, which lays out its files;
// this package runs that script and keeps what it made. Tests run programs
// against the folders, and the cluster of the end-to-end tests loads them as
// images, without Docker.
//
// Invariants: what is built is named by all that goes into it and whole or not
// there; the packages are those of the lock files, whose hashes are checked.
package payload

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
	"runtime"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/buildcache"
)

// probe is the payload that is a program of ours.
const probe = "probe"

// Names of the payloads, as their folders in images/ are called.
var Names = []string{"python", "nodejs", "java", probe}

// shared are folders with sources of a payload beside its own.
func shared(name string) []string {
	if name == probe {
		return []string{"internal/inject/verdict"}
	}
	return []string{"images/copy"}
}

// kept is how many earlier builds of one payload stay in the cache.
const kept = 2

// Build returns the folder that holds the payload's files: out/root is what goes
// into the image, and out/cp the only program of an agent's. With a warm cache it only hashes
// the sources; else it needs the language's packager and its registry, and says
// to progress what it does. Root is the repository's.
func Build(ctx context.Context, root, name string, progress io.Writer) (string, error) {
	if !slices.Contains(Names, name) {
		return "", fmt.Errorf("building payload %q: there are %q", name, Names)
	}
	folders := []string{filepath.Join(root, "images", name)}
	for _, folder := range shared(name) {
		folders = append(folders, filepath.Join(root, folder))
	}
	key, err := hash(folders...)
	if err != nil {
		return "", fmt.Errorf("hashing the sources of payload %s: %w", name, err)
	}
	return buildcache.Folder("payloads/"+name, key, kept, func(dir string) error {
		started := time.Now()
		fmt.Fprintf(progress, "building payload %s\n", name)
		if err := buildInto(ctx, root, name, dir); err != nil {
			return fmt.Errorf("building payload %s: %w", name, err)
		}
		fmt.Fprintf(progress, "built payload %s in %s\n", name, time.Since(started).Round(time.Second))
		return nil
	})
}

// buildInto builds the payload into dir.
func buildInto(ctx context.Context, root, name, dir string) error {
	out := filepath.Join(dir, "out")
	lay := exec.CommandContext(ctx, filepath.Join(root, "images", name, "rootfs.sh"), out)
	if said, err := lay.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", lay, err, said)
	}
	if name == probe {
		return nil
	}
	cp := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(out, "cp"), "./images/copy")
	cp.Dir, cp.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if said, err := cp.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", cp, err, said)
	}
	return nil
}

// hash names what folders hold, and the platform that programs are built for.
func hash(folders ...string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "__pycache__") {
				return filepath.SkipDir
			}
			if d.IsDir() {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(folder, path)
			fmt.Fprintf(h, "%s %x\n", filepath.ToSlash(rel), sha256.Sum256(content))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
