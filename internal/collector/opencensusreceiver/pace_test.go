package opencensusreceiver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// frame is a gRPC message of n bytes.
func frame(n int) []byte {
	b := make([]byte, 5+n)
	binary.BigEndian.PutUint32(b[1:], uint32(n))
	return b
}

// drip is a body whose every read brings one byte, and that counts them.
type drip struct {
	left  []byte
	reads int
}

func (d *drip) Read(b []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	b[0] = d.left[0]
	d.left = d.left[1:]
	d.reads++
	return 1, nil
}

func (d *drip) Close() error { return nil }

// A reader that never has its messages taken reads no more than the limit, and
// goes on when they are.
func TestPace(t *testing.T) {
	for _, size := range []int{0, 1, 1000, readBytes, 100_000, 1 << 20} {
		const maxMessage = 1 << 20
		body := &drip{left: bytes.Repeat(frame(size), min(300, 3+2*maxMessage/(size+5)))} // more than the limit
		all := len(body.left)
		p := newPace(body, maxMessage)
		buf := make([]byte, readBytes)
		read := 0
		for {
			if p.held > p.limit+readBytes {
				t.Fatalf("messages of %d bytes: %d bytes are held; the limit is %d", size, p.held, p.limit)
			}
			if p.held >= p.limit { // the next read would wait
				if len(p.whole) == 0 {
					t.Fatalf("messages of %d bytes: the limit stops a message that is not at its end", size)
				}
				for len(p.whole) > 0 {
					p.taken()
				}
			}
			n, err := p.Read(buf)
			read += n
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if read != all {
			t.Errorf("messages of %d bytes: got %d bytes; want %d", size, read, all)
		}
	}
}

// A Read that waits ends when the request is over.
func TestPaceClose(t *testing.T) {
	p := newPace(io.NopCloser(bytes.NewReader(bytes.Repeat(frame(1000), 1000))), 1000)
	ended := make(chan error)
	go func() {
		buf := make([]byte, readBytes)
		for {
			if _, err := p.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("got %v; want %v", err, errClosed)
	}
}
