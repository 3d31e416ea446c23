package runtimes

import (
	"context"
	"io"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// Debian is packages of Debian with all that they depend on. Their scripts have not
// run, so it is for programs that need no more than their files.
func Debian(ctx context.Context, progress io.Writer, packages ...string) (kube.Image, error) {
	dir, err := debian(ctx, progress, packages...)
	if err != nil {
		return kube.Image{}, err
	}
	return image(ctx, kube.Config{Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}}, kube.File{Source: dir, Target: "/"})
}
