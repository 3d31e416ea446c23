package collector

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
)

// gzipLevel gives requests 5 % larger than the standard library's usual level
// for a quarter of its CPU time.
const gzipLevel = 3

// gzipCompressor is gRPC's gzip on klauspost/compress, which the collector
// uses for HTTP already.
type gzipCompressor struct {
	writers, readers sync.Pool // *gzipWriter, *gzipReader
}

// Name is the name of the encoding on the wire.
func (*gzipCompressor) Name() string { return grpcgzip.Name }

// Compress returns a writer that compresses to w, done when it is closed.
func (c *gzipCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	z, ok := c.writers.Get().(*gzipWriter)
	if !ok {
		compressor, err := gzip.NewWriterLevel(w, gzipLevel)
		if err != nil {
			return nil, fmt.Errorf("making a gzip writer: %w", err)
		}
		return &gzipWriter{compressor, &c.writers}, nil
	}
	z.Reset(w)
	return z, nil
}

// Decompress returns a reader of what r holds compressed. gRPC bounds how much
// it reads from it.
func (c *gzipCompressor) Decompress(r io.Reader) (io.Reader, error) {
	z, ok := c.readers.Get().(*gzipReader)
	if !ok {
		decompressor, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		return &gzipReader{decompressor, &c.readers}, nil
	}
	if err := z.Reset(r); err != nil {
		c.readers.Put(z)
		return nil, fmt.Errorf("reading gzip: %w", err)
	}
	return z, nil
}

// gzipWriter goes back to its pool when it is closed.
type gzipWriter struct {
	*gzip.Writer
	pool *sync.Pool
}

// Close writes what is left and gives the writer back.
func (z *gzipWriter) Close() error {
	defer z.pool.Put(z)
	return z.Writer.Close()
}

// gzipReader goes back to its pool when gRPC closes it.
type gzipReader struct {
	*gzip.Reader
	pool *sync.Pool
}

// Close gives the reader back.
func (z *gzipReader) Close() error {
	defer z.pool.Put(z)
	return z.Reader.Close()
}
