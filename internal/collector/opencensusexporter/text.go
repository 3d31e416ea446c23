package opencensusexporter

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// cleaned makes valid UTF-8 of all text in m: OTLP's senders may send other, and
// what has some cannot be encoded.
func cleaned(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			cleanMap(f, v.Map())
		case f.IsList():
			for i := range v.List().Len() {
				if e, ok := clean(f, v.List().Get(i)); ok {
					v.List().Set(i, e)
				}
			}
		default:
			if e, ok := clean(f, v); ok {
				m.Set(f, e)
			}
		}
		return true
	})
}

// cleanMap makes valid keys and values. Keys that become the same are one.
func cleanMap(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		key, changedKey := clean(f.MapKey(), k.Value())
		value, changed := clean(f.MapValue(), v)
		if !changed {
			value = v
		}
		if changedKey {
			m.Clear(k)
			k = key.MapKey()
		}
		if changed || changedKey {
			m.Set(k, value)
		}
		return true
	})
}

// clean gives the value to set instead of v, which is none of a list or map. What
// is within a message is made valid in place.
func clean(f protoreflect.FieldDescriptor, v protoreflect.Value) (valid protoreflect.Value, changed bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		if text := v.String(); !utf8.ValidString(text) {
			return protoreflect.ValueOfString(strings.ToValidUTF8(text, string(utf8.RuneError))), true
		}
	case protoreflect.MessageKind:
		cleaned(v.Message())
	}
	return v, false
}
