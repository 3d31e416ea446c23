package web

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func ask(h *Handler, method, path, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	h := New()
	f := func(method, path string, code int, contentType string) {
		t.Helper()
		w := ask(h, method, path, "")
		if got := w.Header().Get("Content-Type"); w.Code != code || !strings.HasPrefix(got, contentType) {
			t.Errorf("%s %s: got %d %s; want %d %s", method, path, w.Code, got, code, contentType)
		}
	}
	f("GET", "/", 200, "text/html")
	f("HEAD", "/", 200, "text/html")
	f("GET", "/traces", 200, "text/html")
	f("GET", "/load", 200, "text/html")
	f("GET", "/traces/", 200, "text/html")
	f("GET", "/trace/0af7651916cd43dd8448eb211c80319c", 200, "text/html")
	f("GET", "/favicon.svg", 200, "image/svg+xml")
	f("GET", "/trace/", 404, "text/plain")
	f("GET", "/tracesx", 404, "text/plain")
	f("GET", "/assets/none.js", 404, "text/plain")
	f("GET", "/../embed.go", 404, "text/plain")
	f("POST", "/", 405, "text/plain")
}

// The files that the page names are there, may be kept for ever, and are sent
// compressed; the page itself is asked for each time.
func TestFilesOfThePage(t *testing.T) {
	h := New()
	page := ask(h, "GET", "/", "")
	if got := page.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control of the page: got %q", got)
	}
	names := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(names) < 2 {
		t.Fatalf("the page names %d files; want a script and a style sheet:\n%s", len(names), page.Body)
	}
	for _, m := range names {
		w := ask(h, "GET", m[1], "br, gzip")
		if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: got %d %v", m[1], w.Code, w.Header())
			continue
		}
		zr, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(zr)
		if plain := ask(h, "GET", m[1], "gzip;q=0"); err != nil || string(got) != plain.Body.String() {
			t.Errorf("%s: compressed it differs from the plain answer (%v)", m[1], err)
		}
	}
}

// The page is told which of its parts the server has answers for.
func TestParts(t *testing.T) {
	if got := ask(New(), "GET", "/", "").Body.String(); strings.Contains(got, "data-parts") {
		t.Errorf("without parts: got\n%s", got)
	}
	for _, encoding := range []string{"", "gzip"} {
		w := ask(New("data", "load"), "GET", "/load", encoding)
		var body io.Reader = w.Body
		if encoding == "gzip" {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(got), `<html data-parts="data load" lang="en">`) {
			t.Errorf("encoding %q: got %v,\n%s\nwant the parts named", encoding, err, got)
		}
	}
}

// A first visit must stay light: what the page names itself is loaded before
// anything is shown.
func TestFirstLoad(t *testing.T) {
	h := New()
	page := ask(h, "GET", "/", "gzip")
	sum := page.Body.Len()
	for _, m := range regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(string(h.files["/index.html"].plain), -1) {
		sum += ask(h, "GET", m[1], "gzip").Body.Len()
	}
	t.Logf("%d kB", sum/1000)
	if sum > 500_000 {
		t.Errorf("the first load takes %d bytes; want at most 500000", sum)
	}
}
