package archive

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// output is a file being written: under another name until it is whole. Names
// that end in .gz or .zst are compressed.
type output struct {
	path    string
	file    *os.File // nil: a stream that somebody else closes
	buffer  *bufio.Writer
	closers []io.Closer // what compresses
	io.Writer
	written int64 // bytes that reached the file
}

// unfinished is the end of the name of a file that is not whole.
const unfinished = ".unfinished"

// create begins a file, and its folder. A path of "-" is stdout.
func create(path string, stdout io.Writer) (*output, error) {
	o := &output{path: path}
	to := stdout
	if path != "-" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of %s: %w", path, err)
		}
		f, err := os.Create(path + unfinished)
		if err != nil {
			return nil, fmt.Errorf("beginning %s: %w", path, err)
		}
		o.file, to = f, f
	}
	o.buffer = bufio.NewWriterSize(counting{to, &o.written}, 256<<10)
	o.Writer = o.buffer
	switch {
	case strings.HasSuffix(path, ".gz"):
		z := gzip.NewWriter(o.buffer)
		o.Writer, o.closers = z, append(o.closers, z)
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewWriter(o.buffer, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, errors.Join(err, o.abort())
		}
		o.Writer, o.closers = z, append(o.closers, z)
	}
	return o, nil
}

// counting counts the bytes that are written.
type counting struct {
	io.Writer
	n *int64
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	*c.n += int64(n)
	return n, err
}

// finish writes what is buffered, and gives the file its name.
func (o *output) finish() error {
	var errs []error
	for _, c := range o.closers {
		errs = append(errs, c.Close())
	}
	errs = append(errs, o.buffer.Flush())
	if o.file != nil {
		errs = append(errs, o.file.Sync(), o.file.Close())
	}
	err := errors.Join(errs...)
	if err == nil && o.file != nil {
		err = os.Rename(o.path+unfinished, o.path)
	}
	if err != nil {
		err = fmt.Errorf("writing %s: %w", o.path, err)
		if o.file != nil {
			err = errors.Join(err, os.Remove(o.path+unfinished))
		}
	}
	return err
}

// abort gives the file up.
func (o *output) abort() error {
	if o.file == nil {
		return o.buffer.Flush()
	}
	return errors.Join(o.file.Close(), os.Remove(o.path+unfinished))
}
