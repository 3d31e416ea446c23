package opencensusreceiver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// readBytes is what gRPC's transport over net/http gives each read of a body, and
// keeps until the message is taken, however little the read brought.
const readBytes = 16 << 10

// pace is the body of a gRPC request, read no faster than its messages are taken.
//
// gRPC's transport over net/http reads a body to its end into memory, at the
// speed of the sender. A stream of OpenCensus does not end, so a pipeline that is
// slower than its clients would fill the memory; and of a sender that sends
// single bytes each would keep a whole buffer.
type pace struct {
	body  io.ReadCloser
	limit int // of held; large enough for one message of the largest size

	left    int // bytes of the current message that are still to be read
	current int // buffers that it has, in bytes

	mu     sync.Mutex
	cond   sync.Cond
	held   int   // buffers of all messages that are not taken, in bytes
	whole  []int // those of each message that is read to its end, the oldest first
	closed bool
}

// newPace paces body, whose messages are at most maxMessage bytes.
func newPace(body io.ReadCloser, maxMessage int) *pace {
	p := &pace{body: body, limit: maxMessage + 4*readBytes}
	p.cond.L = &p.mu
	return p
}

// errClosed is read from a body that the server has closed.
var errClosed = errors.New("the request is over")

// Read reads of one message only, as much as fits, once there is room. Waiting
// for all that fits delays nothing: half a message is of no use.
func (p *pace) Read(b []byte) (n int, err error) {
	const prefix = 5 // of a message: one byte of flags, four of length
	if len(b) < prefix {
		return 0, io.ErrShortBuffer
	}
	if !p.wait() {
		return 0, errClosed
	}
	if p.left == 0 {
		if n, err = io.ReadFull(p.body, b[:prefix]); err != nil {
			return n, err
		}
		p.left = int(binary.BigEndian.Uint32(b[1:prefix]))
	}
	more, err := io.ReadFull(p.body, b[n:min(len(b), n+p.left)])
	n, p.left = n+more, p.left-more
	p.mu.Lock()
	defer p.mu.Unlock()
	cost := max(n, readBytes)
	p.held += cost
	p.current += cost
	if p.left == 0 {
		p.whole = append(p.whole, p.current)
		p.current = 0
	}
	return n, err
}

// wait returns when there is room, or false when nobody will take more.
func (p *pace) wait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held >= p.limit && !p.closed {
		p.cond.Wait()
	}
	return !p.closed
}

// taken is called for each message that the stream's handler has got.
func (p *pace) taken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.whole) > 0 {
		p.held -= p.whole[0]
		p.whole = p.whole[1:]
		p.cond.Signal()
	}
}

// Close ends a Read that waits.
func (p *pace) Close() error {
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
	return p.body.Close()
}

// paceKey is the key of a request's pace in its context.
type paceKey struct{}

func withPace(ctx context.Context, p *pace) context.Context {
	return context.WithValue(ctx, paceKey{}, p)
}

func paceOf(ctx context.Context) *pace {
	return ctx.Value(paceKey{}).(*pace)
}
