package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/signalbox-otel/signalbox/internal/buildcache"
)

// keepBuilds is how many builds of each peer stay in the cache.
const keepBuilds = 2

// buildJaeger gives the binary of bench/jaeger.
func buildJaeger(ctx context.Context) (string, error) {
	return buildGo(ctx, "bench/jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger", "go.mod", "go.sum")
}

// prepareClickHouse gives what bench/clickhouse and bench/otelcol make, and the
// library of the npm package.
func prepareClickHouse(ctx context.Context) (tools clickhouseTools, err error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return tools, errors.New("the library of ClickHouse is for Linux on amd64: leave out clickhouse with -engines")
	}
	if tools.server, err = buildGo(ctx, "bench/clickhouse", ".", "go.mod", "go.sum", "main.go"); err != nil {
		return tools, err
	}
	if tools.otelcol, err = buildGo(ctx, "bench/otelcol", ".", "go.mod", "go.sum", "main.go"); err != nil {
		return tools, err
	}
	packages, err := install(ctx, "bench/clickhouse")
	tools.library = filepath.Join(packages, "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so")
	return tools, err
}

// buildGo builds a package in a module of its own, which these files decide.
func buildGo(ctx context.Context, module, pkg string, files ...string) (string, error) {
	key, err := hashOf(module, files)
	if err != nil {
		return "", err
	}
	name := filepath.Base(module)
	dir, err := buildcache.Folder("bench/"+name, key, keepBuilds, func(dir string) error {
		fmt.Fprintf(os.Stderr, "building %s, once\n", module)
		return command(ctx, module, "go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg)
	})
	return filepath.Join(dir, name), err
}

// install installs the packages of a folder's lock file.
func install(ctx context.Context, folder string) (string, error) {
	files := []string{"package.json", "package-lock.json"}
	key, err := hashOf(folder, files)
	if err != nil {
		return "", err
	}
	return buildcache.Folder("bench/"+filepath.Base(folder)+"-packages", key, keepBuilds, func(dir string) error {
		fmt.Fprintf(os.Stderr, "installing the packages of %s, once\n", folder)
		for _, name := range files {
			b, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				return err
			}
		}
		return command(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	})
}

// hashOf is a hash of files in a folder.
func hashOf(folder string, files []string) (string, error) {
	hash := sha256.New()
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return "", fmt.Errorf("%w: run this in the folder of the repository", err)
		}
		hash.Write(b)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// command runs a program in a folder. Peers are built as their own builders do,
// without our tags.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s in %s: %w\n%s", name, args[0], dir, err, out)
	}
	return nil
}
