package ingest

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// MalformedError says why bytes are no OTLP request. Sending them again cannot
// help: answer 400 or InvalidArgument.
type MalformedError struct {
	Offset int // in the payload
	Reason string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed OTLP at offset %d: %s", e.Offset, e.Reason)
}

// Wire types of protobuf.
const (
	wireVarint     = 0
	wireI64        = 1
	wireLen        = 2
	wireStartGroup = 3
	wireEndGroup   = 4
	wireI32        = 5
)

// A tag is a field number and a wire type as they stand on the wire, so that
// one switch over constants like spanName<<3|wireLen finds the field and checks
// its type.
type tag uint64

func (t tag) field() uint64 { return uint64(t >> 3) }
func (t tag) wire() int     { return int(t & 7) }

// fields is the set of field numbers below 64 that a message declares. A
// declared field that comes with another wire type is an error, an undeclared
// one is skipped.
type fields uint64

func declared(numbers ...uint64) fields {
	var f fields
	for _, n := range numbers {
		f |= 1 << n
	}
	return f
}

func (f fields) has(n uint64) bool { return n < 64 && f&(1<<n) != 0 }

// cursor reads protobuf fields. buf begins where the payload begins and ends
// where the message ends, so pos is an offset in the payload.
type cursor struct {
	buf []byte
	pos int
}

func (c *cursor) more() bool { return c.pos < len(c.buf) }

func (c *cursor) fail(format string, args ...any) error {
	return &MalformedError{Offset: c.pos, Reason: fmt.Sprintf(format, args...)}
}

// varint takes up to ten bytes and, like pdata, drops what exceeds 64 bits.
func (c *cursor) varint() (uint64, error) {
	if c.pos < len(c.buf) && c.buf[c.pos] < 0x80 {
		c.pos++
		return uint64(c.buf[c.pos-1]), nil
	}
	return c.longVarint()
}

func (c *cursor) longVarint() (uint64, error) {
	var v uint64
	for i, b := range c.buf[c.pos:min(len(c.buf), c.pos+10)] {
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.pos += i + 1
			return v, nil
		}
	}
	if len(c.buf)-c.pos >= 10 {
		return 0, c.fail("varint longer than ten bytes")
	}
	return 0, c.fail("varint cut short")
}

// tag reads the next tag. Field numbers above 32 bits are cut as pdata does.
func (c *cursor) tag() (tag, error) {
	v, err := c.varint()
	if err != nil {
		return 0, err
	}
	if field := int32(v >> 3); field <= 0 {
		return 0, c.fail("field number %d", field)
	}
	return tag(v & (1<<34 - 1)), nil
}

func (c *cursor) i64() (uint64, error) {
	if len(c.buf)-c.pos < 8 {
		return 0, c.fail("fixed64 cut short")
	}
	c.pos += 8
	return binary.LittleEndian.Uint64(c.buf[c.pos-8:]), nil
}

func (c *cursor) i32() (uint32, error) {
	if len(c.buf)-c.pos < 4 {
		return 0, c.fail("fixed32 cut short")
	}
	c.pos += 4
	return binary.LittleEndian.Uint32(c.buf[c.pos-4:]), nil
}

// uint32 and int32 read a varint and drop what exceeds 32 bits, as protobuf
// has it.
func (c *cursor) uint32(dst *uint32) error {
	v, err := c.varint()
	*dst = uint32(v)
	return err
}

func (c *cursor) int32(dst *int32) error {
	v, err := c.varint()
	*dst = int32(v)
	return err
}

// message reads a length and returns a cursor over that many bytes.
func (c *cursor) message() (cursor, error) {
	n, err := c.varint()
	if err != nil {
		return cursor{}, err
	}
	if n > uint64(len(c.buf)-c.pos) {
		return cursor{}, c.fail("length %d exceeds the %d bytes left", n, len(c.buf)-c.pos)
	}
	start := c.pos
	c.pos += int(n)
	return cursor{buf: c.buf[:c.pos], pos: start}, nil
}

// text reads a length and that many bytes, without copying them.
func (c *cursor) text() (string, error) {
	m, err := c.message()
	if err != nil {
		return "", err
	}
	return m.rest(), nil
}

// rest is what the cursor has not read yet, without copying it.
func (c *cursor) rest() string {
	if !c.more() {
		return ""
	}
	return unsafe.String(&c.buf[c.pos], len(c.buf)-c.pos)
}

// over is a cursor that reads s; it never writes.
func over(s string) cursor {
	return cursor{buf: unsafe.Slice(unsafe.StringData(s), len(s))}
}

// id reads an id into dst: all of its bytes, or none for "no id".
func (c *cursor) id(dst []byte) error {
	m, err := c.message()
	if err != nil {
		return err
	}
	switch n := len(m.buf) - m.pos; n {
	case len(dst):
		copy(dst, m.buf[m.pos:])
	case 0:
		clear(dst)
	default:
		return m.fail("id of %d bytes, want %d or none", n, len(dst))
	}
	return nil
}

// skip passes over the value of a field that the message does not declare.
func (c *cursor) skip(t tag, known fields) error {
	if known.has(t.field()) {
		return c.fail("wire type %d for field %d", t.wire(), t.field())
	}
	return c.pass(t)
}

// pass passes over the value of any field.
func (c *cursor) pass(t tag) error {
	var open []uint64 // field numbers of the groups that are open
	for {
		var err error
		switch t.wire() {
		case wireVarint:
			_, err = c.varint()
		case wireI64:
			_, err = c.i64()
		case wireLen:
			_, err = c.message()
		case wireI32:
			_, err = c.i32()
		case wireStartGroup:
			if len(open) == maxDepth {
				return c.fail("groups nested deeper than %d", maxDepth)
			}
			open = append(open, t.field())
		case wireEndGroup:
			if len(open) == 0 || open[len(open)-1] != t.field() {
				return c.fail("end of a group that is not open")
			}
			open = open[:len(open)-1]
		default:
			err = c.fail("wire type %d", t.wire())
		}
		if err != nil {
			return err
		}
		if len(open) == 0 {
			return nil
		}
		if t, err = c.tag(); err != nil {
			return err
		}
	}
}
