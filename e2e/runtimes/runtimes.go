// Package runtimes makes images for the applications of the end-to-end tests:
// Python on glibc and on musl, Node.js, and Java, as people's own images have them,
// without a registry of images. The runtimes come from Debian's packages, from its
// sources, and from this machine; the applications' packages from the registries of
// their languages, as their lock files say.
//
// What it returns has the files; callers add theirs, and the names.
//
// Invariant: what takes time to make is kept in the cache folder, named by all that
// goes into it, and is whole or not there.
package runtimes

import (
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/buildcache"
)

// kept is how many earlier builds of one kind stay in the cache.
const kept = 3

//go:embed base.sh
var baseScript string

// image is one of the files, and of what every root has.
func image(ctx context.Context, config kube.Config, files ...kube.File) (kube.Image, error) {
	base, err := made(ctx, io.Discard, "base", baseScript, nil)
	if err != nil {
		return kube.Image{}, err
	}
	return kube.Image{Files: append([]kube.File{{Source: base, Target: "/"}}, files...), Config: config}, nil
}

// made returns the folder that holds what a script makes of its arguments. inputs is
// all that decides what that is, besides the script. The script gets the folder as
// its first argument.
func made(ctx context.Context, progress io.Writer, kind, script string, inputs []string, args ...string) (string, error) {
	h := sha256.New()
	for _, input := range append([]string{script}, inputs...) {
		fmt.Fprintf(h, "%x\n", sha256.Sum256([]byte(input)))
	}
	return buildcache.Folder("runtimes/"+kind, hex.EncodeToString(h.Sum(nil))[:16], kept, func(dir string) error {
		started := time.Now()
		fmt.Fprintf(progress, "building runtime %s\n", kind)
		args := append([]string{"-c", script, kind, dir}, args...)
		if _, err := output(ctx, "sh", args...); err != nil {
			return fmt.Errorf("building runtime %s: %w", kind, err)
		}
		fmt.Fprintf(progress, "built runtime %s in %s\n", kind, time.Since(started).Round(time.Second))
		return nil
	})
}

// output runs a command to its end and returns what it prints, with what it says in
// the error.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w\n%s%s", filepath.Base(name), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// linked are the libraries of this machine that programs and libraries need, where
// they look for them.
func linked(ctx context.Context, files ...string) ([]kube.File, error) {
	seen := map[string]bool{}
	var all []kube.File
	for _, file := range files {
		out, err := output(ctx, "ldd", file)
		if err != nil {
			return nil, err
		}
		// As "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)", and "/lib64/ld-… (0x…)"
		// for what loads the others.
		for line := range strings.Lines(out) {
			for _, word := range strings.Fields(line) {
				if !filepath.IsAbs(word) || seen[word] {
					continue
				}
				seen[word] = true
				source, err := filepath.EvalSymlinks(word)
				if err != nil {
					return nil, fmt.Errorf("looking for a library of %s: %w", file, err)
				}
				all = append(all, kube.File{Source: source, Target: word})
			}
		}
	}
	return all, nil
}

// read is the content of files, one after the other.
func read(files ...string) (string, error) {
	var all strings.Builder
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		all.Write(content)
	}
	return all.String(), nil
}
