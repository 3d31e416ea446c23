package store

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// The functions of this file encode what the columns hold as opaque bytes:
// resources, scopes, events, links and the attributes without a column. The
// encodings are part of the disk format (docs/format/block.md).

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendValue writes the type and the content of v.
func appendValue(b []byte, v Value) []byte {
	b = append(b, byte(v.Type))
	switch v.Type {
	case Empty:
		return b
	case Bool:
		return append(b, byte(v.num))
	case Int:
		return binary.AppendVarint(b, v.Int())
	case Double:
		return binary.LittleEndian.AppendUint64(b, v.num)
	}
	return appendText(b, v.str)
}

func appendAttrs(b []byte, attrs []Attr) []byte {
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	for i := range attrs {
		b = appendText(b, attrs[i].Key)
		b = appendValue(b, attrs[i].Value)
	}
	return b
}

// appendResource writes the service name first, so that entries of one service
// stand together in a sorted dictionary.
func appendResource(b []byte, r *Resource) []byte {
	b = appendText(b, r.ServiceName())
	b = appendAttrs(b, r.Attrs)
	b = binary.AppendUvarint(b, uint64(r.DroppedAttrs))
	return appendText(b, r.SchemaURL)
}

func appendScope(b []byte, s *Scope) []byte {
	b = appendText(b, s.Name)
	b = appendText(b, s.Version)
	b = appendAttrs(b, s.Attrs)
	b = binary.AppendUvarint(b, uint64(s.DroppedAttrs))
	return appendText(b, s.SchemaURL)
}

// appendEvents writes times as distances from the span's start.
func appendEvents(b []byte, events []Event, start uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(events)))
	for i := range events {
		e := &events[i]
		b = binary.AppendVarint(b, int64(e.Time-start))
		b = appendText(b, e.Name)
		b = appendAttrs(b, e.Attrs)
		b = binary.AppendUvarint(b, uint64(e.DroppedAttrs))
	}
	return b
}

func appendLinks(b []byte, links []Link) []byte {
	b = binary.AppendUvarint(b, uint64(len(links)))
	for i := range links {
		l := &links[i]
		b = append(b, l.TraceID[:]...)
		b = append(b, l.SpanID[:]...)
		b = appendText(b, l.TraceState)
		b = binary.AppendUvarint(b, uint64(l.Flags))
		b = appendAttrs(b, l.Attrs)
		b = binary.AppendUvarint(b, uint64(l.DroppedAttrs))
	}
	return b
}

// decoder reads the encodings back from bytes that may be anything. After the
// first malformed item it is bad and gives zero values; it never allocates
// more than a small multiple of its input.
type decoder struct {
	b   []byte
	bad bool
	// alias makes texts share memory with b, for readers that do not keep
	// them.
	alias bool
}

// text shares memory with b.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (d *decoder) fail() {
	d.bad = true
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// u32 reads a uvarint that must fit 32 bits.
func (d *decoder) u32() uint32 {
	v := d.uvarint()
	if v > math.MaxUint32 {
		d.fail()
		return 0
	}
	return uint32(v)
}

// count reads the number of items that follow, each at least size bytes long.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

// take returns the next n bytes, sharing memory with the input.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) bytes() []byte { return d.take(d.count(1)) }

func (d *decoder) text() string {
	b := d.bytes()
	if d.alias {
		return text(b)
	}
	return string(b)
}

func (d *decoder) u8() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) value() Value {
	v := Value{Type: ValueType(d.u8())}
	switch v.Type {
	case Empty:
	case Bool:
		v.num = uint64(d.u8())
	case Int:
		v.num = uint64(d.varint())
	case Double:
		v.num = d.u64()
	default:
		v.str = d.text()
	}
	return v
}

// attr reads one attribute.
func (d *decoder) attr() Attr {
	key := d.text()
	return Attr{Key: key, Value: d.value()}
}

// attrs appends the attributes that follow to to.
func (d *decoder) attrs(to []Attr) []Attr {
	n := d.count(2)
	if to == nil && n > 0 {
		to = make([]Attr, 0, n)
	}
	for range n {
		a := d.attr()
		if d.bad {
			break
		}
		to = append(to, a)
	}
	return to
}

func (d *decoder) resource() *Resource {
	d.bytes() // the service name, which is among the attributes too
	return &Resource{Attrs: d.attrs(nil), DroppedAttrs: d.u32(), SchemaURL: d.text()}
}

func (d *decoder) scope() *Scope {
	return &Scope{Name: d.text(), Version: d.text(), Attrs: d.attrs(nil), DroppedAttrs: d.u32(), SchemaURL: d.text()}
}

func (d *decoder) events(start uint64) []Event {
	n := d.count(4)
	events := make([]Event, 0, n)
	for range n {
		e := Event{Time: start + uint64(d.varint()), Name: d.text(), Attrs: d.attrs(nil), DroppedAttrs: d.u32()}
		if d.bad {
			break
		}
		events = append(events, e)
	}
	return events
}

func (d *decoder) links() []Link {
	n := d.count(28)
	links := make([]Link, 0, n)
	for range n {
		var l Link
		copy(l.TraceID[:], d.take(16))
		copy(l.SpanID[:], d.take(8))
		l.TraceState, l.Flags = d.text(), d.u32()
		l.Attrs, l.DroppedAttrs = d.attrs(nil), d.u32()
		if d.bad {
			break
		}
		links = append(links, l)
	}
	return links
}
