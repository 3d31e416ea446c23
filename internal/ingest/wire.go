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

// The functions below take the bytes of a message from where reading stands
// and return those after what they read. They are functions over slices and not
// methods of a reader because slices stay in registers: a reader in memory cost
// 10 % more per span.

// wireError is an error where b begins. It names the place by the bytes left
// until the end of the payload's array, the capacity that every part of the
// payload keeps, because nobody knows the offset; located turns it into one.
type wireError struct {
	left   int
	reason string
}

func (e *wireError) Error() string { return e.reason }

func failAt(b []byte, format string, args ...any) error {
	return &wireError{left: cap(b), reason: fmt.Sprintf(format, args...)}
}

// located gives a wireError its offset in the payload.
func located(err error, payload []byte) error {
	if e, ok := err.(*wireError); ok {
		return &MalformedError{Offset: cap(payload) - e.left, Reason: e.reason}
	}
	return err
}

// readTag reads the next tag; b must not be empty.
func readTag(b []byte) (tag, []byte, error) {
	if t := b[0]; t-8 < 0x78 { // one byte, the usual case
		return tag(t), b[1:], nil
	}
	return readLongTag(b)
}

// readLongTag cuts field numbers above 32 bits as pdata does.
func readLongTag(b []byte) (tag, []byte, error) {
	v, rest, err := readVarint(b)
	if err != nil {
		return 0, b, err
	}
	if field := int32(v >> 3); field <= 0 {
		return 0, b, failAt(b, "field number %d", field)
	}
	return tag(v & (1<<34 - 1)), rest, nil
}

// readVarint takes up to ten bytes and, like pdata, drops what exceeds 64 bits.
func readVarint(b []byte) (uint64, []byte, error) {
	var v uint64
	for i, x := range b[:min(len(b), 10)] {
		v |= uint64(x&0x7f) << (7 * i)
		if x < 0x80 {
			return v, b[i+1:], nil
		}
	}
	if len(b) >= 10 {
		return 0, b, failAt(b, "varint longer than ten bytes")
	}
	return 0, b, failAt(b, "varint cut short")
}

func readI64(b []byte) (uint64, []byte, error) {
	if len(b) < 8 {
		return 0, b, failAt(b, "fixed64 cut short")
	}
	return binary.LittleEndian.Uint64(b), b[8:], nil
}

func readI32(b []byte) (uint32, []byte, error) {
	if len(b) < 4 {
		return 0, b, failAt(b, "fixed32 cut short")
	}
	return binary.LittleEndian.Uint32(b), b[4:], nil
}

// readBytes reads a length and returns that many bytes, and those after them.
func readBytes(b []byte) ([]byte, []byte, error) {
	if len(b) > 0 && int(b[0]) < min(0x80, len(b)) { // a length of one byte
		n := 1 + int(b[0])
		return b[1:n], b[n:], nil
	}
	n, rest, err := readVarint(b)
	if err != nil {
		return nil, b, err
	}
	if n > uint64(len(rest)) {
		return nil, b, failAt(b, "length %d exceeds the %d bytes left", n, len(rest))
	}
	return rest[:n], rest[n:], nil
}

// readText is readBytes for text, which is not copied.
func readText(b []byte) (string, []byte, error) {
	s, rest, err := readBytes(b)
	return text(s), rest, err
}

// text is b as a string, without copying it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is the inverse of text; the bytes must not be written.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// readID reads an id into dst: all of its bytes, or none for "no id".
func readID(b, dst []byte) ([]byte, error) {
	id, rest, err := readBytes(b)
	switch {
	case err != nil:
		return b, err
	case len(id) == len(dst):
		copy(dst, id)
	case len(id) == 0:
		clear(dst)
	default:
		return b, failAt(b, "id of %d bytes, want %d or none", len(id), len(dst))
	}
	return rest, nil
}

// skip passes over the value of a field that the message does not declare.
func skip(b []byte, t tag, known fields) ([]byte, error) {
	if known.has(t.field()) {
		return b, failAt(b, "wire type %d for field %d", t.wire(), t.field())
	}
	return pass(b, t)
}

// pass passes over the value of any field.
func pass(b []byte, t tag) ([]byte, error) {
	var open []uint64 // field numbers of the groups that are open
	for {
		var err error
		switch t.wire() {
		case wireVarint:
			_, b, err = readVarint(b)
		case wireI64:
			_, b, err = readI64(b)
		case wireLen:
			_, b, err = readBytes(b)
		case wireI32:
			_, b, err = readI32(b)
		case wireStartGroup:
			if len(open) == maxDepth {
				return b, failAt(b, "groups nested deeper than %d", maxDepth)
			}
			open = append(open, t.field())
		case wireEndGroup:
			if len(open) == 0 || open[len(open)-1] != t.field() {
				return b, failAt(b, "end of a group that is not open")
			}
			open = open[:len(open)-1]
		default:
			err = failAt(b, "wire type %d", t.wire())
		}
		if err != nil || len(open) == 0 {
			return b, err
		}
		if len(b) == 0 {
			return b, failAt(b, "group cut short")
		}
		if t, b, err = readTag(b); err != nil {
			return b, err
		}
	}
}
