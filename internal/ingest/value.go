package ingest

import (
	"math"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// maxDepth is how deep values may be nested in values, and groups in groups:
// protobuf's usual limit.
const maxDepth = 100

// attr reads a KeyValue message into the open run of a.
func (d *decoder) attr(b []byte, a *arena[store.Attr]) error {
	dst, err := a.add(d, b)
	if err != nil {
		return err
	}
	return readKeyValue(b, dst, maxDepth)
}

// readKeyValue reads a KeyValue message whose value may have that many levels.
func readKeyValue(b []byte, a *store.Attr, depth int) error {
	for len(b) > 0 {
		var t tag
		var m []byte
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case keyValueKey<<3 | wireLen:
			a.Key, b, err = readText(b)
		case keyValueValue<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = readValue(m, &a.Value, depth)
			}
		case keyValueStrindex<<3 | wireVarint:
			_, b, err = readVarint(b)
		default:
			b, err = skip(b, t, keyValueFields)
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
func readValue(b []byte, v *store.Value, depth int) error {
	if depth == 0 {
		return failAt(b, "values nested deeper than %d", maxDepth)
	}
	piece := b
	for len(b) > 0 {
		var t tag
		var m []byte
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case valueString<<3 | wireLen:
			m, b, err = readBytes(b)
			*v = store.StringValue(text(m))
		case valueBool<<3 | wireVarint:
			n, b, err = readVarint(b)
			*v = store.BoolValue(n != 0)
		case valueInt<<3 | wireVarint:
			n, b, err = readVarint(b)
			*v = store.IntValue(int64(n))
		case valueDouble<<3 | wireI64:
			n, b, err = readI64(b)
			*v = store.DoubleValue(math.Float64frombits(n))
		case valueArray<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = readArray(m, depth-1, nil)
			}
			*v = store.ArrayValue(text(piece))
		case valueMap<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = readMap(m, depth-1, nil)
			}
			*v = store.MapValue(text(piece))
		case valueBytes<<3 | wireLen:
			m, b, err = readBytes(b)
			*v = store.BytesValue(text(m))
		case valueStrindex<<3 | wireVarint:
			_, b, err = readVarint(b)
			*v = store.Value{}
		default:
			b, err = skip(b, t, valueFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readArray reads an ArrayValue message; visit may be nil.
func readArray(b []byte, depth int, visit func(store.Value)) error {
	return each(b, listValues<<3|wireLen, listFields, func(m []byte) error {
		var v store.Value
		err := readValue(m, &v, depth)
		if err == nil && visit != nil {
			visit(v)
		}
		return err
	})
}

// readMap reads a KeyValueList message; visit may be nil.
func readMap(b []byte, depth int, visit func(store.Attr)) error {
	return each(b, listValues<<3|wireLen, listFields, func(m []byte) error {
		var a store.Attr
		err := readKeyValue(m, &a, depth)
		if err == nil && visit != nil {
			visit(a)
		}
		return err
	})
}

// Elements are the elements of an Array. Values of other types, and an
// encoding that this package did not make, have none.
func Elements(v store.Value) []store.Value {
	var out []store.Value
	if m, ok := content(v, store.Array, valueArray<<3|wireLen); ok {
		err := readArray(m, maxDepth, func(e store.Value) { out = append(out, e) })
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
	if m, ok := content(v, store.Map, valueMap<<3|wireLen); ok {
		err := readMap(m, maxDepth, func(a store.Attr) { out = append(out, a) })
		if err != nil {
			return nil
		}
	}
	return out
}

// content finds the ArrayValue or KeyValueList in the encoding of v: the last
// one, as in readValue.
func content(v store.Value, want store.ValueType, under tag) ([]byte, bool) {
	if v.Type != want {
		return nil, false
	}
	var last []byte
	found := false
	err := each(bytesOf(v.Str()), under, 0, func(m []byte) error {
		last, found = m, true
		return nil
	})
	return last, found && err == nil
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
