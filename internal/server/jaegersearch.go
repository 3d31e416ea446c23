package server

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// What a search of Jaeger's APIs may ask for.
const (
	defaultTraces = 100
	// maxTraces is the most traces of one answer; Jaeger's page asks for no more.
	maxTraces       = 1500
	defaultLookback = 48 * time.Hour
)

// jaegerSearch is a search for traces, as all versions of Jaeger's API ask it:
// every condition holds for one span of the trace. A zero field is no
// condition, but for the time range.
type jaegerSearch struct {
	service, operation string
	tags               map[string]string
	start, end         uint64 // [start, end) in Unix nanoseconds
	minDuration        time.Duration
	maxDuration        time.Duration
	limit              int // traces
}

// legacySearch reads the parameters of /api/traces. ids are traces asked for by
// id; with them there is no search.
func legacySearch(v url.Values, now time.Time) (q *jaegerSearch, ids []store.TraceID, err error) {
	for _, text := range v["traceID"] {
		id, err := parseTraceID(text)
		if err != nil {
			return nil, nil, &paramError{"traceID", err}
		}
		ids = append(ids, id)
	}
	if len(ids) > maxTraces {
		return nil, nil, &paramError{"traceID", fmt.Errorf("at most %d traces at once", maxTraces)}
	}
	if len(ids) > 0 {
		return nil, ids, nil
	}
	q = &jaegerSearch{service: v.Get("service"), operation: v.Get("operation")}
	if q.service == "" {
		return nil, nil, &paramError{"service", errRequired}
	}
	if q.start, q.end, err = legacyRange(v, now); err != nil {
		return nil, nil, err
	}
	if q.tags, err = legacyTags(v["tag"], v["tags"]); err != nil {
		return nil, nil, err
	}
	if q.minDuration, err = durationParam("minDuration", v.Get("minDuration")); err != nil {
		return nil, nil, err
	}
	if q.maxDuration, err = durationParam("maxDuration", v.Get("maxDuration")); err != nil {
		return nil, nil, err
	}
	if q.limit, err = limitOf("limit", v.Get("limit")); err != nil {
		return nil, nil, err
	}
	return q, nil, q.check()
}

var (
	errRequired = errors.New("is required")
	errTooLarge = errors.New("is out of range")
)

// check refuses what cannot be meant.
func (q *jaegerSearch) check() error {
	if q.maxDuration != 0 && q.maxDuration < q.minDuration {
		return &paramError{"maxDuration", errors.New("is less than the minimum")}
	}
	if q.end < q.start {
		return &paramError{"end", errors.New("is before start")}
	}
	return nil
}

// legacyRange reads start and end in Unix microseconds. Without them the range
// ends now and begins at lookback, such as "1h" or "2d".
func legacyRange(v url.Values, now time.Time) (start, end uint64, err error) {
	end = uint64(now.UnixNano())
	if text := v.Get("end"); text != "" {
		if end, err = unitParam("end", text, time.Microsecond); err != nil {
			return 0, 0, err
		}
		end += uint64(time.Microsecond) // spans that start in the last microsecond belong to the range
	}
	if text := v.Get("start"); text != "" {
		start, err = unitParam("start", text, time.Microsecond)
		return start, end, err
	}
	lookback, ok := parseLookback(v.Get("lookback"))
	if !ok {
		lookback = defaultLookback
	}
	return end - min(end, uint64(lookback)), end, nil
}

// parseLookback reads a duration that may be in days or weeks.
func parseLookback(text string) (time.Duration, bool) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			return time.Duration(n) * unit, err == nil
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

// unitParam reads a point in time, or a time span, given in units as Unix
// nanoseconds.
func unitParam(name, text string, unit time.Duration) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &paramError{name, err}
	}
	if n > uint64(math.MaxInt64/unit)-1 {
		return 0, &paramError{name, errTooLarge}
	}
	return n * uint64(unit), nil
}

// durationParam reads a duration such as "1.2ms"; 0 when there is none.
func durationParam(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errTooLarge
	}
	if err != nil {
		return 0, &paramError{name, err}
	}
	return d, nil
}

// limitOf reads a count of traces.
func limitOf(name, text string) (int, error) {
	if text == "" {
		return defaultTraces, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && n <= 0 {
		err = errTooLarge
	}
	if err != nil {
		return 0, &paramError{name, err}
	}
	return min(int(n), maxTraces), nil
}

// legacyTags reads tag=key:value and tags={"key":"value"}.
func legacyTags(pairs, objects []string) (map[string]string, error) {
	tags := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, &paramError{"tag", fmt.Errorf("write key:value, not %q", pair)}
		}
		tags[key] = value
	}
	for _, object := range objects {
		if err := tagsFromJSON("tags", object, tags); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// tagsFromJSON adds a JSON object of texts to tags.
func tagsFromJSON(param, text string, tags map[string]string) error {
	var object map[string]string
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return &paramError{param, fmt.Errorf(`write a JSON object of texts, {"key":"value"}: %w`, err)}
	}
	maps.Copy(tags, object)
	return nil
}

// parseTraceID reads up to 32 hex digits; a shorter id is padded on the left.
func parseTraceID(text string) (id store.TraceID, err error) {
	if text == "" || len(text) > 2*len(id) {
		return id, fmt.Errorf("a trace id has 1 to 32 hex digits, not %d", len(text))
	}
	padded := strings.Repeat("0", 2*len(id)-len(text)) + text
	if _, err := hex.Decode(id[:], []byte(padded)); err != nil {
		return id, fmt.Errorf("a trace id has hex digits only: %w", err)
	}
	return id, nil
}

// where is the condition on one span.
func (q *jaegerSearch) where() store.Expr {
	conditions := store.And{}
	if q.service != "" {
		conditions = append(conditions, serviceIs(q.service))
	}
	if q.operation != "" {
		conditions = append(conditions, intrinsic(store.FieldName, store.Eq, store.StringValue(q.operation)))
	}
	if q.minDuration > 0 {
		conditions = append(conditions, intrinsic(store.FieldDuration, store.Ge, store.IntValue(int64(q.minDuration))))
	}
	if q.maxDuration > 0 {
		conditions = append(conditions, intrinsic(store.FieldDuration, store.Le, store.IntValue(int64(q.maxDuration))))
	}
	for _, key := range slices.Sorted(maps.Keys(q.tags)) {
		conditions = append(conditions, tagIs(key, q.tags[key]))
	}
	return conditions
}

func intrinsic(name string, op store.Op, v store.Value) store.Cond {
	return store.Cond{Field: store.Field{Place: store.Intrinsic, Name: name}, Op: op, Value: v}
}

// serviceIs holds for spans of a service as Jaeger names it.
func serviceIs(name string) store.Expr {
	field := store.Field{Place: store.ResourceAttr, Name: attrServiceName}
	named := store.Cond{Field: field, Op: store.Eq, Value: store.StringValue(name)}
	if name != noServiceName {
		return named
	}
	return store.Or{named, store.Cond{Field: field, Op: store.Eq, Value: store.StringValue("")},
		store.Not{Expr: store.Cond{Field: field, Op: store.Exists}}}
}

// tagIs holds for spans that Jaeger's model would show with that tag: on the
// span, its resource, its scope or one of its events. A tag is searched by its
// text; what the text could stand for is tried too.
func tagIs(key, text string) store.Expr {
	values := []store.Value{store.StringValue(text)}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		values = append(values, store.IntValue(n))
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		values = append(values, store.DoubleValue(f))
	}
	if b, err := strconv.ParseBool(text); err == nil && len(text) > 1 {
		values = append(values, store.BoolValue(b))
	}
	var any store.Or
	for _, place := range []store.Place{store.AnyAttr, store.EventAttr} {
		for _, v := range values {
			any = append(any, store.Cond{Field: store.Field{Place: place, Name: key}, Op: store.Eq, Value: v})
		}
	}
	if key == tagError && text == "false" {
		return store.Or{any, store.Not{Expr: intrinsic(store.FieldStatus, store.Eq, store.IntValue(2))}}
	}
	if c, ok := modelTagIs(key, text); ok {
		any = append(any, c)
	}
	return any
}

// modelTagIs is the condition for tags that stand for fields of a span.
func modelTagIs(key, text string) (store.Cond, bool) {
	switch key {
	case tagError:
		return intrinsic(store.FieldStatus, store.Eq, store.IntValue(2)), text == "true"
	case tagStatusCode:
		code := slices.Index([]string{"UNSET", "OK", "ERROR"}, text)
		return intrinsic(store.FieldStatus, store.Eq, store.IntValue(int64(code))), code >= 0
	case tagSpanKind:
		kind, ok := spanKindOf(text)
		return intrinsic(store.FieldKind, store.Eq, store.IntValue(int64(kind))), ok
	}
	field, ok := map[string]string{
		tagStatusDescription: store.FieldStatusMessage,
		tagScopeName:         store.FieldScopeName,
		"otel.library.name":  store.FieldScopeName,
		tagScopeVersion:      store.FieldScopeVersion,
		tagTraceState:        store.FieldTraceState,
		fieldEvent:           store.FieldEventName,
	}[key]
	return intrinsic(field, store.Eq, store.StringValue(text)), ok
}
