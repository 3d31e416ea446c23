//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/e2e/runtimes"
)

// examples is where the manifests and programs of the walk-throughs are.
const examples = "../examples"

// example is the text of a file of the examples.
func example(t *testing.T, path string) string {
	t.Helper()
	return readFile(t, filepath.Join(examples, path))
}

// builders make the images that several tests load, by their names in manifests;
// programs are built into dir, which is kept.
// Those in Python are made as the Dockerfiles of the examples say.
var builders = map[string]func(ctx context.Context, dir string) (kube.Image, error){
	"guestbook-backend:1":  pythonExample("guestbook/backend"),
	"guestbook-frontend:1": pythonExample("guestbook/frontend"),
	"guestbook-loadtest:1": pythonExample("guestbook/loadtest"),
	"visits:1":             pythonExample("visits/app"),
	"flask-app:1":          pythonExample("gunicorn/app"),
	"orders:1":             pythonExample("gunicorn/orders"),
	"dice:1": func(_ context.Context, dir string) (kube.Image, error) {
		return goImage("", dir, examples+"/dice", ".")
	},
	// A server of MongoDB's protocol that others wrote, which keeps what it is given
	// in SQLite.
	"mongo:7": func(_ context.Context, dir string) (kube.Image, error) {
		img, err := goImage("", dir, "../tools/ferretdb", ".")
		img.Cmd = []string{"-listen=0.0.0.0:27017", "-dir=/data/db/"}
		return img, err
	},
	"redis:7": func(ctx context.Context, _ string) (kube.Image, error) {
		img, err := runtimes.Debian(ctx, os.Stderr, "redis-server")
		img.Entrypoint = []string{"redis-server", "--protected-mode", "no"}
		return img, err
	},
	"prom/statsd-exporter:v0.28.0": func(_ context.Context, dir string) (kube.Image, error) {
		return goImage("", dir, "../tools/statsdexporter", "github.com/prometheus/statsd_exporter")
	},
}

// built are the images that were made, and loaded under their first name.
var built struct {
	sync.Mutex
	images map[string]kube.Image
}

// load loads an image of builders under its own name and these others, which are
// names of other people's manifests.
func load(t *testing.T, name string, others ...string) {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	img, ok := built.images[name]
	if !ok {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(cache, "signalbox", "e2e", strings.NewReplacer("/", "-", ":", "-").Replace(name))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if img, err = builders[name](t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		img.Names = []string{fullName(name)}
	} else if len(others) == 0 {
		return
	}
	for _, other := range others {
		img.Names = append(img.Names, fullName(other))
	}
	if err := cluster.Load(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	if built.images == nil {
		built.images = map[string]kube.Image{}
	}
	built.images[name] = img
}

// fullName is the name of an image as containerd has it.
func fullName(name string) string {
	first, _, nested := strings.Cut(name, "/")
	switch {
	case !nested:
		return "docker.io/library/" + name
	case !strings.ContainsAny(first, ".:"):
		return "docker.io/" + name
	}
	return name
}

// pythonExample makes the image that the Dockerfile in a folder of the examples
// describes: on Debian's Python, as no registry of images is to be had.
func pythonExample(folder string) func(context.Context, string) (kube.Image, error) {
	folder = filepath.Join(examples, filepath.FromSlash(folder))
	return func(ctx context.Context, _ string) (kube.Image, error) {
		text, err := os.ReadFile(filepath.Join(folder, "Dockerfile"))
		if err != nil {
			return kube.Image{}, err
		}
		img, err := runtimes.Python(ctx, os.Stderr, runtimes.Glibc, filepath.Join(folder, "requirements.txt"))
		if err != nil {
			return kube.Image{}, err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			keyword, rest, _ := strings.Cut(line, " ")
			switch {
			case keyword == "WORKDIR":
				img.WorkingDir = rest
			case line == "COPY . .":
				img.Files = append(img.Files, kube.File{Source: folder, Target: img.WorkingDir})
			case keyword == "ENTRYPOINT":
				img.Entrypoint, img.Cmd = nil, nil
				err = json.Unmarshal([]byte(rest), &img.Entrypoint)
			case strings.HasPrefix(line, "FROM python:"), keyword == "EXPOSE",
				line == "COPY requirements.txt .", line == "RUN pip install --no-cache-dir -r requirements.txt":
			default:
				err = fmt.Errorf("%q is not known here", line)
			}
			if err != nil {
				return kube.Image{}, fmt.Errorf("reading %s/Dockerfile: %w", folder, err)
			}
		}
		return img, nil
	}
}
