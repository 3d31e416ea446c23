package kube

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Image is a container image of one layer, and the names that it is loaded under.
type Image struct {
	Names []string // full, as docker.io/library/busybox:1
	Files []File
	Config
}

// Config is how containers of an image run, unless the pod says otherwise.
type Config struct {
	Entrypoint []string            `json:"Entrypoint,omitempty"`
	Cmd        []string            `json:"Cmd,omitempty"`
	Env        []string            `json:"Env,omitempty"`
	User       string              `json:"User,omitempty"`
	WorkingDir string              `json:"WorkingDir,omitempty"`
	Labels     map[string]string   `json:"Labels,omitempty"`
	Ports      map[string]struct{} `json:"ExposedPorts,omitempty"`
}

// File is a file, or a folder with all in it, that goes into an image.
type File struct {
	Source string // on this machine
	Target string // in the image, from its root
	UID    int    // of all of it, and of the group
}

// descriptor points at a blob of an OCI image layout.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// WriteArchive writes the images as one OCI archive, which containerd imports.
// The same files give the same digests: times are zero, owners have no names.
// Images with the same files share the layer.
func WriteArchive(w io.Writer, images ...Image) error {
	a := &archive{tar: tar.NewWriter(w), written: map[string]bool{}, layers: map[string]descriptor{}}
	index := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}{2, typeIndex, []descriptor{}}
	for _, img := range images {
		manifest, err := a.image(img)
		if err != nil {
			return fmt.Errorf("writing the image %s: %w", strings.Join(img.Names, ", "), err)
		}
		for _, name := range img.Names {
			manifest.Annotations = map[string]string{"io.containerd.image.name": name}
			index.Manifests = append(index.Manifests, manifest)
		}
	}
	content, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := a.file("index.json", content); err != nil {
		return err
	}
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return a.tar.Close()
}

// archive is an OCI archive that is being written.
type archive struct {
	tar     *tar.Writer
	written map[string]bool       // blobs by path
	layers  map[string]descriptor // by the files in them
}

// image writes the blobs of an image and returns its manifest.
func (a *archive) image(img Image) (descriptor, error) {
	layer, err := a.layer(img.Files)
	if err != nil {
		return descriptor{}, err
	}
	config, err := a.json(typeConfig, map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       img.Config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}}, // uncompressed: its own digest
	})
	if err != nil {
		return descriptor{}, err
	}
	return a.json(typeManifest, map[string]any{
		"schemaVersion": 2,
		"mediaType":     typeManifest,
		"config":        config,
		"layers":        []descriptor{layer},
	})
}

// layer writes the blob of a layer. Its digest is its name, so it is made in a
// temporary file first.
func (a *archive) layer(files []File) (descriptor, error) {
	key := fmt.Sprintf("%+v", files)
	if layer, ok := a.layers[key]; ok {
		return layer, nil
	}
	temp, err := os.CreateTemp("", "layer-")
	if err != nil {
		return descriptor{}, err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	hash := sha256.New()
	if err := writeLayer(io.MultiWriter(temp, hash), files); err != nil {
		return descriptor{}, err
	}
	size, err := temp.Seek(0, io.SeekCurrent)
	if err != nil {
		return descriptor{}, err
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	d := descriptor{MediaType: typeLayer, Digest: digest(hash.Sum(nil)), Size: size}
	a.layers[key] = d
	return d, a.blob(d, temp)
}

func (a *archive) json(mediaType string, v any) (descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	sum := sha256.Sum256(content)
	d := descriptor{MediaType: mediaType, Digest: digest(sum[:]), Size: int64(len(content))}
	return d, a.blob(d, strings.NewReader(string(content)))
}

func digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

func (a *archive) blob(d descriptor, content io.Reader) error {
	name := "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:")
	if a.written[name] {
		return nil
	}
	a.written[name] = true
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: d.Size}); err != nil {
		return err
	}
	_, err := io.Copy(a.tar, content)
	return err
}

func (a *archive) file(name string, content []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := a.tar.Write(content)
	return err
}

// writeLayer writes the files as the tar of a layer, each folder once and before
// what is in it.
func writeLayer(w io.Writer, files []File) error {
	l := &layer{tar: tar.NewWriter(w), seen: map[string]bool{}}
	for _, f := range files {
		err := filepath.WalkDir(f.Source, func(source string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(f.Source, source)
			if err != nil {
				return err
			}
			target := strings.TrimPrefix(path.Join("/", f.Target, filepath.ToSlash(rel)), "/")
			if target == "" {
				return nil // the root
			}
			return l.add(source, target, f.UID)
		})
		if err != nil {
			return err
		}
	}
	return l.tar.Close()
}

// layer is the tar of a layer that is being written.
type layer struct {
	tar  *tar.Writer
	seen map[string]bool
}

func (l *layer) add(source, target string, uid int) error {
	if err := l.parents(path.Dir(target)); err != nil {
		return err
	}
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(source); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h = &tar.Header{Typeflag: h.Typeflag, Name: target, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: uid, Gid: uid, ModTime: time.Unix(0, 0)}
	if info.IsDir() {
		if l.seen[target] {
			return nil
		}
		l.seen[target] = true
		h.Name += "/"
	}
	if err := l.tar.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(l.tar, f)
	return err
}

// parents adds the folders above a file that no source has.
func (l *layer) parents(dir string) error {
	var missing []string
	for ; dir != "." && dir != "/" && !l.seen[dir]; dir = path.Dir(dir) {
		missing = append(missing, dir)
	}
	for _, dir := range slices.Backward(missing) {
		l.seen[dir] = true
		if err := l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	return nil
}
