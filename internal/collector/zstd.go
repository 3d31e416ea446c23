package collector

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
)

// RegisterCompressors puts compressors of ours in the place of gRPC's gzip and
// the collector's zstd, for every client and server of the process. Call it
// before any of them exists: gRPC reads its compressors without a lock.
func RegisterCompressors() {
	encoding.RegisterCompressor(&gzipCompressor{})
	encoding.RegisterCompressor(&zstdCompressor{})
}

// zstdWindow is what our frames want to be remembered, which requests hardly
// exceed; maxZstdWindow what those of others may want. The collector's own reader
// makes room for 512 MB when a frame of twenty bytes says so.
const (
	zstdWindow    = 512 << 10
	maxZstdWindow = 32 << 20
)

// zstdCompressor is a compressor of gRPC.
type zstdCompressor struct {
	writers, readers sync.Pool // *zstdWriter, *zstdReader
}

// Name is the name of the encoding on the wire.
func (*zstdCompressor) Name() string { return "zstd" }

// Compress returns a writer that compresses to w, done when it is closed.
func (c *zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	z, ok := c.writers.Get().(*zstdWriter)
	if !ok {
		compressor, err := zstd.NewWriter(w, zstd.WithWindowSize(zstdWindow), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("making a zstd writer: %w", err)
		}
		return &zstdWriter{compressor, &c.writers}, nil
	}
	z.Reset(w)
	return z, nil
}

// Decompress returns a reader of what r holds compressed. gRPC bounds how much
// it reads from it.
func (c *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	z, ok := c.readers.Get().(*zstdReader)
	if !ok {
		decompressor, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, fmt.Errorf("making a zstd reader: %w", err)
		}
		z = &zstdReader{decompressor, &c.readers}
	}
	if err := z.Reset(r); err != nil {
		return nil, fmt.Errorf("reading zstd: %w", err)
	}
	return z, nil
}

// zstdWriter goes back to its pool when it is closed.
type zstdWriter struct {
	*zstd.Encoder
	pool *sync.Pool
}

// Close writes what is left and gives the writer back.
func (z *zstdWriter) Close() error {
	defer z.pool.Put(z)
	return z.Encoder.Close()
}

// zstdReader goes back to its pool when gRPC closes it.
type zstdReader struct {
	*zstd.Decoder
	pool *sync.Pool
}

// Close gives the reader back.
func (z *zstdReader) Close() error {
	err := z.Reset(nil)
	if err == nil {
		z.pool.Put(z)
	}
	return err
}
