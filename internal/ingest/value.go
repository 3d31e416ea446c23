package ingest

import (
	"math"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// maxDepth is how deep values may be nested in values, and groups in groups:
// protobuf's usual limit.
const maxDepth = 100

// attr reads the KeyValue message at c into the open run of a.
func (d *decoder) attr(at *cursor, a *arena[store.Attr]) error {
	c, err := at.message()
	if err != nil {
		return err
	}
	dst, err := a.add(d, &c)
	if err != nil {
		return err
	}
	return readKeyValue(c, dst, maxDepth)
}

// readKeyValue reads a KeyValue message whose value may have that many levels.
func readKeyValue(c cursor, a *store.Attr, depth int) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case keyValueKey<<3 | wireLen:
			a.Key, err = c.text()
		case keyValueValue<<3 | wireLen:
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = readValue(sub, &a.Value, depth)
			}
		case keyValueStrindex<<3 | wireVarint:
			_, err = c.varint()
		default:
			err = c.skip(t, keyValueFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readValue reads one piece of an AnyValue. The member that comes last is the
// value; a piece without a member leaves v alone. An Array or Map is walked to
// its end, and its encoding is the piece that it came in: reading the encoding
// again gives the same value.
func readValue(c cursor, v *store.Value, depth int) error {
	if depth == 0 {
		return c.fail("values nested deeper than %d", maxDepth)
	}
	whole := c
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case valueString<<3 | wireLen:
			var s string
			s, err = c.text()
			*v = store.StringValue(s)
		case valueBool<<3 | wireVarint:
			var n uint64
			n, err = c.varint()
			*v = store.BoolValue(n != 0)
		case valueInt<<3 | wireVarint:
			var n uint64
			n, err = c.varint()
			*v = store.IntValue(int64(n))
		case valueDouble<<3 | wireI64:
			var n uint64
			n, err = c.i64()
			*v = store.DoubleValue(math.Float64frombits(n))
		case valueArray<<3 | wireLen:
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = readArray(sub, depth-1, nil)
			}
			*v = store.ArrayValue(whole.rest())
		case valueMap<<3 | wireLen:
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = readMap(sub, depth-1, nil)
			}
			*v = store.MapValue(whole.rest())
		case valueBytes<<3 | wireLen:
			var s string
			s, err = c.text()
			*v = store.BytesValue(s)
		case valueStrindex<<3 | wireVarint:
			_, err = c.varint()
			*v = store.Value{}
		default:
			err = c.skip(t, valueFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readArray reads an ArrayValue message; visit may be nil.
func readArray(c cursor, depth int, visit func(store.Value)) error {
	return eachListValue(c, func(c cursor) error {
		var v store.Value
		err := readValue(c, &v, depth)
		if err == nil && visit != nil {
			visit(v)
		}
		return err
	})
}

// readMap reads a KeyValueList message; visit may be nil.
func readMap(c cursor, depth int, visit func(store.Attr)) error {
	return eachListValue(c, func(c cursor) error {
		var a store.Attr
		err := readKeyValue(c, &a, depth)
		if err == nil && visit != nil {
			visit(a)
		}
		return err
	})
}

// eachListValue visits the values field of an ArrayValue or KeyValueList.
func eachListValue(c cursor, visit func(cursor) error) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		if t != listValues<<3|wireLen {
			err = c.skip(t, listFields)
		} else {
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = visit(sub)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Elements are the elements of an Array. Values of other types, and an
// encoding that this package did not make, have none.
func Elements(v store.Value) []store.Value {
	var out []store.Value
	if c, ok := content(v, store.Array, valueArray<<3|wireLen); ok {
		err := readArray(c, maxDepth, func(e store.Value) { out = append(out, e) })
		if err != nil {
			return nil
		}
	}
	return out
}

// Entries are the entries of a Map in the sender's order, keys that came twice
// included. Values of other types, and an encoding that this package did not
// make, have none.
func Entries(v store.Value) []store.Attr {
	var out []store.Attr
	if c, ok := content(v, store.Map, valueMap<<3|wireLen); ok {
		err := readMap(c, maxDepth, func(a store.Attr) { out = append(out, a) })
		if err != nil {
			return nil
		}
	}
	return out
}

// content finds the ArrayValue or KeyValueList in the encoding of v: the last
// one, as in readValue.
func content(v store.Value, want store.ValueType, under tag) (cursor, bool) {
	var found cursor
	ok := false
	if v.Type != want {
		return found, false
	}
	for c := over(v.Str()); c.more(); {
		t, err := c.tag()
		if err != nil {
			return found, false
		}
		if t != under {
			err = c.pass(t)
		} else {
			found, err = c.message()
			ok = true
		}
		if err != nil {
			return found, false
		}
	}
	return found, ok
}

// JSON is v as a plain Go value for encoding/json: nil, string, bool, int64,
// float64, []byte (base64 in JSON, as in OTLP), []any or map[string]any, where
// the last of several equal keys wins. JSON has no NaN and no infinities: they
// become the strings "NaN", "Infinity" and "-Infinity", as protobuf has it.
func JSON(v store.Value) any {
	switch v.Type {
	case store.String:
		return v.Str()
	case store.Bool:
		return v.Bool()
	case store.Int:
		return v.Int()
	case store.Double:
		switch f := v.Double(); {
		case math.IsNaN(f):
			return "NaN"
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		default:
			return f
		}
	case store.Bytes:
		return []byte(v.Str())
	case store.Array:
		out := []any{}
		for _, e := range Elements(v) {
			out = append(out, JSON(e))
		}
		return out
	case store.Map:
		out := map[string]any{}
		for _, a := range Entries(v) {
			out[a.Key] = JSON(a.Value)
		}
		return out
	}
	return nil
}
