package otlpreceiver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Requests are decompressed here and not by the collector's server, whose reader
// of zstd makes room for whatever a frame says that it needs, up to 512 MB for
// one of twenty bytes, before the limit of the body's size counts; and which
// makes a reader of gzip anew for each request.

// defaultEncodings are what the collector's server reads if nothing else is
// configured.
var defaultEncodings = []string{"", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4", "x-snappy-framed"}

// maxWindow bounds what a frame of zstd may make the reader remember. Encoders
// remember 8 MB or less, at their highest levels up to 32 MB.
const maxWindow = 32 << 20

// inflaters open a compressed body whose content must not exceed limit.
var inflaters = map[string]func(body io.ReadCloser, limit int64) (io.ReadCloser, error){
	"gzip":            inflateGzip,
	"zstd":            inflateZstd,
	"zlib":            inflateZlib,
	"deflate":         inflateZlib,
	"snappy":          inflateSnappy,
	"x-snappy-framed": inflateFrames,
	"lz4": func(body io.ReadCloser, _ int64) (io.ReadCloser, error) {
		return &inflated{lz4.NewReader(body), nil}, nil
	},
}

// inflated is what a body holds compressed.
type inflated struct {
	io.Reader
	done func() // gives the reader back; nil when nobody wants it
}

// Close gives the reader back, once: the next request has it then.
func (b *inflated) Close() error {
	if b.done != nil {
		b.done()
	}
	b.Reader, b.done = closed{}, nil
	return nil
}

// closed is what is left to read of a body that was closed.
type closed struct{}

// Read gives nothing.
func (closed) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }

var (
	gzipReaders sync.Pool // *gzip.Reader
	zstdReaders sync.Pool // *zstd.Decoder
)

func inflateGzip(body io.ReadCloser, _ int64) (io.ReadCloser, error) {
	r, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		r = new(gzip.Reader)
	}
	done := func() { gzipReaders.Put(r) }
	if err := r.Reset(body); err != nil {
		done()
		return nil, fmt.Errorf("reading gzip: %w", err)
	}
	return &inflated{r, done}, nil
}

func inflateZstd(body io.ReadCloser, _ int64) (io.ReadCloser, error) {
	r, ok := zstdReaders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if r, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
			return nil, fmt.Errorf("making a reader of zstd: %w", err)
		}
	}
	if err := r.Reset(body); err != nil {
		return nil, fmt.Errorf("reading zstd: %w", err)
	}
	return &inflated{r, func() {
		if r.Reset(nil) == nil {
			zstdReaders.Put(r)
		}
	}}, nil
}

func inflateZlib(body io.ReadCloser, _ int64) (io.ReadCloser, error) {
	r, err := zlib.NewReader(body)
	if err != nil {
		return nil, fmt.Errorf("reading zlib: %w", err)
	}
	return &inflated{r, nil}, nil
}

func inflateFrames(body io.ReadCloser, _ int64) (io.ReadCloser, error) {
	return &inflated{snappy.NewReader(body), nil}, nil
}

// frames is how a stream of snappy's frames begins. Collectors used to send them
// under the name of the format of one block.
const frames = "\xff\x06\x00\x00sNaPpY"

func inflateSnappy(body io.ReadCloser, limit int64) (io.ReadCloser, error) {
	r := bufio.NewReader(body)
	begin, err := r.Peek(len(frames))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading snappy: %w", err)
	}
	if string(begin) == frames {
		return &inflated{snappy.NewReader(r), nil}, nil
	}
	if n, err := snappy.DecodedLen(begin); err != nil || int64(n) > limit {
		return nil, errors.Join(err, errors.New("snappy: decoded size exceeds max request body size"))
	}
	return &inflated{&snappyBlock{from: r}, nil}, nil
}

// snappyBlock reads a block, which can only be decoded whole.
type snappyBlock struct {
	from    io.Reader
	content []byte
	decoded bool
}

// Read decodes the block and gives a part of it.
func (b *snappyBlock) Read(p []byte) (int, error) {
	if !b.decoded {
		compressed, err := io.ReadAll(b.from)
		if err != nil {
			return 0, err
		}
		if b.content, err = snappy.Decode(nil, compressed); err != nil {
			return 0, fmt.Errorf("reading snappy: %w", err)
		}
		b.decoded = true
	}
	n := copy(p, b.content)
	if b.content = b.content[n:]; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// inflate puts what the body of req holds compressed into its place.
func (i *intake) inflate(w http.ResponseWriter, req *http.Request) error {
	encoding := req.Header.Get("Content-Encoding")
	if len(i.encodings) == 0 {
		return nil // the receiver was told to take bodies as they are
	}
	open := inflaters[encoding]
	switch {
	case !slices.Contains(i.encodings, encoding), open == nil && encoding != "":
		return fmt.Errorf("unsupported Content-Encoding: %s", encoding)
	case open == nil:
		return nil
	}
	body, err := open(req.Body, i.maxBody)
	if err != nil {
		return err
	}
	req.Header.Del("Content-Encoding")
	req.Header.Del("Content-Length")
	req.ContentLength = -1
	req.Body = http.MaxBytesReader(w, body, i.maxBody)
	return nil
}
