package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// FieldInfo is one field that conditions can name.
type FieldInfo struct {
	Name  string // as conditions have it
	Field store.Field
	Type  store.ValueType // of attributes; String or Int for intrinsics
	Count uint64          // records that have it, where known
}

// Fields are the names that conditions on one kind of record can use: the
// intrinsics, then the attributes in use, most used first.
func (e *Engine) Fields(ctx context.Context, q store.FieldQuery) ([]FieldInfo, error) {
	limit := e.limit(q.Limit, 1000)
	var infos []FieldInfo
	if q.Field.Place == store.AnyAttr || q.Field.Place == store.Intrinsic {
		for _, f := range intrinsicsOf(q.Kind) {
			if name := FormatField(q.Kind, f); strings.Contains(strings.ToLower(name), strings.ToLower(q.Match)) {
				infos = append(infos, FieldInfo{Name: name, Field: f, Type: intrinsicType(f)})
			}
		}
	}
	if q.Field.Place == store.Intrinsic {
		return infos[:min(limit, len(infos))], nil
	}
	places := []store.Place{q.Field.Place}
	if q.Field.Place == store.AnyAttr {
		places = []store.Place{store.AnyAttr}
		if q.Kind == store.Spans {
			places = append(places, store.EventAttr, store.LinkAttr)
		}
	}
	var keys []FieldInfo
	for _, place := range places {
		q.Field.Place, q.Limit = place, limit
		for k, err := range e.catalog.Keys(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("listing attributes: %w", err)
			}
			keys = append(keys, FieldInfo{Name: FormatField(q.Kind, k.Field), Field: k.Field, Type: k.Type, Count: k.Count})
		}
	}
	slices.SortStableFunc(keys, func(a, b FieldInfo) int { return cmp.Compare(b.Count, a.Count) })
	infos = append(infos, keys...)
	return infos[:min(limit, len(infos))], nil
}

// intrinsicsOf lists the intrinsics of a kind, sorted by name.
func intrinsicsOf(kind store.Kind) []store.Field {
	lang := languageOf(kind)
	var fields []store.Field
	for _, name := range lang.intrinsics() {
		if f := lang.names[name]; f.typ != rootType && !slices.Contains(fields, f.Field) {
			fields = append(fields, f.Field)
		}
	}
	slices.SortFunc(fields, func(a, b store.Field) int {
		return cmp.Compare(FormatField(kind, a), FormatField(kind, b))
	})
	return fields
}

func intrinsicType(f store.Field) store.ValueType {
	switch f.Name {
	case store.FieldDuration, store.FieldKind, store.FieldStatus, store.FieldSeverity:
		return store.Int
	}
	return store.String
}

// ValueInfo is one value that a field has.
type ValueInfo struct {
	store.FieldValue
	// Text is the value as conditions have it: "checkout", 200, error.
	Text string
}

// Values are the values of one field, most used first where that is known. For
// kind, status and severity they are the words of the language.
func (e *Engine) Values(ctx context.Context, q store.FieldQuery) ([]ValueInfo, error) {
	if words := wordsOf(q.Field); words != nil {
		var infos []ValueInfo
		for i, w := range words {
			if strings.Contains(w, strings.ToLower(q.Match)) {
				n := i
				if q.Field.Name == store.FieldSeverity {
					n = 4*i + 1
				}
				infos = append(infos, ValueInfo{FieldValue: store.FieldValue{Value: store.IntValue(int64(n))}, Text: w})
			}
		}
		return infos, nil
	}
	q.Limit = e.limit(q.Limit, 100)
	var infos []ValueInfo
	for v, err := range e.catalog.Values(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("listing values of %s: %w", q.Field.Name, err)
		}
		infos = append(infos, ValueInfo{FieldValue: v, Text: FormatValue(q.Field, v.Value)})
	}
	return infos, nil
}

func wordsOf(f store.Field) []string {
	if f.Place != store.Intrinsic {
		return nil
	}
	switch f.Name {
	case store.FieldKind:
		return kindWords
	case store.FieldStatus:
		return statusWords
	case store.FieldSeverity:
		return severityWords
	}
	return nil
}
