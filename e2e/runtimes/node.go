package runtimes

import (
	"context"
	_ "embed"
	"io"
	"path/filepath"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

//go:embed npm.sh
var npmScript string

// Node is this machine's Node.js, with the packages of the lock file in a folder, in
// /app. Its program is node.
func Node(ctx context.Context, progress io.Writer, folder string) (kube.Image, error) {
	program, err := output(ctx, "node", "-p", "process.execPath")
	if err != nil {
		return kube.Image{}, err
	}
	libraries, err := linked(ctx, program)
	if err != nil {
		return kube.Image{}, err
	}
	version, err := output(ctx, "node", "--version")
	if err != nil {
		return kube.Image{}, err
	}
	manifest, lock := filepath.Join(folder, "package.json"), filepath.Join(folder, "package-lock.json")
	wanted, err := read(manifest, lock)
	if err != nil {
		return kube.Image{}, err
	}
	dir, err := made(ctx, progress, "node-packages", npmScript, []string{version, wanted}, manifest, lock)
	if err != nil {
		return kube.Image{}, err
	}
	config := kube.Config{Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, WorkingDir: "/app", Cmd: []string{"node"}}
	return image(ctx, config, append(libraries, kube.File{Source: dir, Target: "/"}, kube.File{Source: program, Target: "/usr/local/bin/node"})...)
}
