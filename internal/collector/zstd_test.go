package collector

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
)

func TestZstd(t *testing.T) {
	c := &zstdCompressor{}
	for _, text := range []string{"", "span", strings.Repeat("http.request.method", 1e5), "log"} { // pooled from the second on
		var b bytes.Buffer
		w, err := c.Compress(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := c.Decompress(&b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != text || err != nil {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(text))
		}
		if err := r.(io.Closer).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A frame that wants 512 MB to be remembered for its eight bytes is refused, and
// the memory is not taken.
func TestZstdWindowIsBounded(t *testing.T) {
	frame := []byte("\x28\xb5\x2f\xfd\x00\x98\x21\x00\x00abcd\x21\x00\x00efgh")
	c := &zstdCompressor{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := c.Decompress(bytes.NewReader(frame))
	if err == nil {
		_, err = io.ReadAll(r)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 64<<20 {
		t.Errorf("got error %v after %d MB; want one after few", err, took>>20)
	}
}
