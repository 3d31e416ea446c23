// Command ctl starts and ends the Kubernetes of the end-to-end tests; make
// cluster-up, cluster-down and e2e call it. What the cluster is, package kube
// says; this adds the images that are shipped: that of Signalbox, which make image
// lays out, and those of the payloads of instrumentation, which it builds or finds.
//
//	ctl build              makes the binaries of Kubernetes, or finds them
//	ctl up                 starts the cluster, and prints how to reach it
//	ctl down               ends it
//	ctl load               loads the images again
//	ctl run COMMAND ...    starts it, runs the command, ends it; when the command
//	                       fails, the state of the cluster is printed first
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/images/payload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := ctl(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func ctl(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: ctl build | up | down | load | run COMMAND")
	}
	switch args[0] {
	case "build":
		dir, err := kube.Build(ctx, os.Stderr)
		if err == nil {
			fmt.Println(dir)
		}
		return err
	case "up":
		return up(ctx)
	case "down":
		return kube.Down(ctx)
	case "load":
		return reload(ctx)
	case "run":
		return run(ctx, args[1:])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// shipped are the images as they are shipped.
func shipped(ctx context.Context) ([]kube.Image, error) {
	root, err := kube.Root()
	if err != nil {
		return nil, err
	}
	images, err := signalbox(root)
	if err != nil {
		return nil, err
	}
	for _, name := range payload.Names {
		dir, err := payload.Build(ctx, root, name, os.Stderr)
		if err != nil {
			return nil, err
		}
		img, err := kube.FromDockerfile(filepath.Join(root, "images", name, "Dockerfile"), name, map[string]string{"build": dir, "copy": dir})
		if err != nil {
			return nil, err
		}
		img.Names = []string{"registry.local/signalbox-" + name + ":dev"}
		images = append(images, img)
	}
	return images, nil
}

// signalbox is our image in its two stages. The second has the names that manifests
// use for the collectors of OpenTelemetry.
func signalbox(root string) ([]kube.Image, error) {
	names := map[string][]string{
		"signalbox": {"registry.local/signalbox:dev"},
		"collector": {
			"registry.local/signalbox-collector:dev",
			"docker.io/otel/opentelemetry-collector:0.6.0",
			"docker.io/otel/opentelemetry-collector-contrib:0.7.0",
			"docker.io/otel/opentelemetry-collector-contrib:latest",
		},
	}
	var images []kube.Image
	for _, stage := range []string{"signalbox", "collector"} {
		img, err := kube.FromDockerfile(filepath.Join(root, "images", "signalbox", "Dockerfile"), stage,
			map[string]string{"build": filepath.Join(root, "bin", "image")})
		if err != nil {
			return nil, err
		}
		img.Names = names[stage]
		images = append(images, img)
	}
	return images, nil
}

func up(ctx context.Context) error {
	images, err := shipped(ctx)
	if err != nil {
		return err
	}
	c, err := kube.Up(ctx, os.Stderr, images...)
	if err != nil {
		return err
	}
	bin, err := kube.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", c.Kubeconfig, bin)
	return nil
}

func reload(ctx context.Context) error {
	images, err := shipped(ctx)
	if err != nil {
		return err
	}
	c, err := kube.Running(ctx)
	if err != nil {
		return err
	}
	return c.Load(ctx, images...)
}

// run gives the cluster to a command. A Ctrl-C reaches the command too, as it is
// in the same session; the cluster ends after it.
func run(ctx context.Context, args []string) (err error) {
	if len(args) == 0 {
		return errors.New("usage: ctl run COMMAND")
	}
	images, err := shipped(ctx)
	if err != nil {
		return err
	}
	c, err := kube.Up(ctx, os.Stderr, images...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		describe(c)
		return fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// describe prints what a person would ask first about a cluster where something
// went wrong.
func describe(c *kube.Cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods,services", "--all-namespaces", "-o", "wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
	} {
		out, err := c.Kubectl(ctx, "", args...)
		fmt.Fprintf(os.Stderr, "\n$ kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
