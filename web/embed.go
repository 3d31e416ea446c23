// Package web is the page: React sources, and what they were built into. Its
// handler is mounted by server below everything that is an API; the page's
// scripts ask those APIs. What is in dist is committed, so that Go alone builds
// the product; `make web` builds it again.
//
// Invariants: a file whose name carries the hash of its content never changes
// and may be kept for ever; index.html names those files and is asked for each
// time. Only the paths in routes.json lead to the page, every other path is not
// found, so that a wrong address of an API does not answer with HTML.
package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

//go:embed all:dist routes.json
var files embed.FS

// file is one file of dist.
type file struct {
	contentType string
	cache       string
	plain       []byte
	// zipped compresses plain when it is first asked for; nil: it does not get
	// smaller.
	zipped func() []byte
}

// Handler serves the page. It is made by New and immutable.
type Handler struct {
	files  map[string]*file // by path, with the slash
	routes []string         // as routes.json has them
}

// New finds the embedded files. That they are there is an invariant of the
// build: without them it panics. Parts are those of the page that the server has
// answers for ("data", "load"); with none of them named it shows all.
func New(parts ...string) *Handler {
	h := &Handler{files: map[string]*file{}}
	routes, err := files.ReadFile("routes.json")
	if err == nil {
		err = json.Unmarshal(routes, &h.routes)
	}
	if err != nil {
		panic(fmt.Sprintf("reading routes.json: %v", err))
	}
	err = fs.WalkDir(files, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		h.files[strings.TrimPrefix(name, "dist")] = newFile(name, content)
		return err
	})
	if err != nil || h.files["/index.html"] == nil {
		panic(fmt.Sprintf("reading the page: index.html: %v, %v", h.files["/index.html"] != nil, err))
	}
	if len(parts) > 0 {
		h.files["/index.html"] = newFile("dist/index.html", withParts(h.files["/index.html"].plain, parts))
	}
	return h
}

// withParts has the page know its parts before it asks for anything.
func withParts(index []byte, parts []string) []byte {
	const tag = "<html "
	if !bytes.Contains(index, []byte(tag)) {
		panic("reading the page: index.html has no " + tag)
	}
	return bytes.Replace(index, []byte(tag), []byte(tag+`data-parts="`+html.EscapeString(strings.Join(parts, " "))+`" `), 1)
}

func newFile(name string, content []byte) *file {
	f := &file{contentType: mime.TypeByExtension(path.Ext(name)), cache: "no-cache", plain: content}
	if f.contentType == "" {
		f.contentType = http.DetectContentType(content)
	}
	if strings.HasPrefix(name, "dist/assets/") { // where vite puts what it names by content
		f.cache = "public, max-age=31536000, immutable"
	}
	f.zipped = sync.OnceValue(func() []byte { return zip(content) })
	return f
}

// zip compresses content; nil: that saves less than a tenth.
func zip(content []byte) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, err := zw.Write(content)
	if err := errors.Join(err, zw.Close()); err != nil || b.Len() > len(content)*9/10 {
		return nil
	}
	return b.Bytes()
}

// ServeHTTP answers with a file, with the page for the page's own paths, or with
// 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this path answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f := h.files[r.URL.Path]
	if f == nil && h.routed(r.URL.Path) {
		f = h.files["/index.html"]
	}
	if f == nil {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", f.cache)
	header.Add("Vary", "Accept-Encoding")
	content := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if zipped := f.zipped(); zipped != nil {
			header.Set("Content-Encoding", "gzip")
			content = zipped
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(content) // the reader may be gone: nobody to tell
	}
}

// routed reports whether path is one that the page's own navigation leads to.
func (h *Handler) routed(path string) bool {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return slices.ContainsFunc(h.routes, func(route string) bool {
		base, any := strings.CutSuffix(route, "*")
		return path == route || any && len(path) > len(base) && strings.HasPrefix(path, base)
	})
}

// acceptsGzip reads an Accept-Encoding header; "gzip;q=0" is a refusal.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && weight > 0
		}
	}
	return false
}
