package kube

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entries reads a tar: what each entry is, and its content.
func entries(t *testing.T, r io.Reader) (names []string, content map[string][]byte) {
	t.Helper()
	content = map[string][]byte{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return names, content
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Uid)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		names, content[h.Name] = append(names, line), b
	}
}

func sampleFiles(t *testing.T) []File {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"root/etc", "root/tmp", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "root/tmp"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"root/etc/passwd": "me\n", "root/program": "binary"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("program", filepath.Join(dir, "root/alias")); err != nil {
		t.Fatal(err)
	}
	return []File{
		{Source: filepath.Join(dir, "root"), Target: "/"},
		{Source: filepath.Join(dir, "data"), Target: "/data", UID: 65532},
		{Source: filepath.Join(dir, "root/program"), Target: "/opt/bin/tool"},
	}
}

func TestLayer(t *testing.T) {
	var layer bytes.Buffer
	if err := writeLayer(&layer, sampleFiles(t)); err != nil {
		t.Fatal(err)
	}
	got, _ := entries(t, &layer)
	want := []string{
		"alias 777 0 -> program",
		"etc/ 755 0",
		"etc/passwd 644 0",
		"program 644 0",
		"tmp/ 1777 0",
		"data/ 755 65532",
		"opt/ 755 0",
		"opt/bin/ 755 0",
		"opt/bin/tool 644 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

// Two images of the same files share a layer, a name is one line of the index, and
// the same input gives the same bytes.
func TestArchive(t *testing.T) {
	files := sampleFiles(t)
	images := []Image{
		{Names: []string{"registry.local/a:1", "registry.local/a:2"}, Files: files, Config: Config{Entrypoint: []string{"/program"}}},
		{Names: []string{"registry.local/b:1"}, Files: files, Config: Config{Entrypoint: []string{"/alias"}}},
	}
	var first, second bytes.Buffer
	for _, w := range []io.Writer{&first, &second} {
		if err := WriteArchive(w, images...); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same images differ")
	}
	names, content := entries(t, &first)
	if got, want := len(names), 2+1+2+2; got != want {
		t.Errorf("got %d entries; want %d: index, layout, a layer, two configurations, two manifests\n%q", got, want, names)
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(content["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	entrypoints := map[string]string{}
	for _, m := range index.Manifests {
		var manifest struct{ Config, Layer descriptor }
		var config struct{ Config Config }
		blob := func(d descriptor) []byte { return content["blobs/sha256/"+d.Digest[len("sha256:"):]] }
		if err := errors.Join(json.Unmarshal(blob(m), &manifest), json.Unmarshal(blob(manifest.Config), &config)); err != nil {
			t.Fatal(err)
		}
		entrypoints[m.Annotations["io.containerd.image.name"]] = config.Config.Entrypoint[0]
	}
	want := map[string]string{"registry.local/a:1": "/program", "registry.local/a:2": "/program", "registry.local/b:1": "/alias"}
	if diff := cmp.Diff(want, entrypoints); diff != "" {
		t.Errorf("entrypoints by name (-want +got):\n%s", diff)
	}
}
