package collector

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

func TestGzip(t *testing.T) {
	c := &gzipCompressor{}
	for _, text := range []string{"", "span", strings.Repeat("http.request.method", 1e5)} { // a pooled writer and reader from the second on
		var ours bytes.Buffer
		w, err := c.Compress(&ours)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(&ours)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != text || err != nil {
			t.Errorf("the standard library reads %d bytes, %v; want %d", len(got), err, len(text))
		}

		var theirs bytes.Buffer
		z := gzip.NewWriter(&theirs)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := c.Decompress(&theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(d); string(got) != text || err != nil {
			t.Errorf("reading what the standard library wrote: got %d bytes, %v; want %d", len(got), err, len(text))
		}
		if err := d.(io.Closer).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Decompress(strings.NewReader("not gzip")); err == nil {
		t.Error("reading what is not gzip: got no error")
	}
}
