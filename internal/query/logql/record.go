package logql

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Names that records have by their meaning.
const (
	serviceLabel   = "service_name"
	serviceAttr    = "service.name"
	unknownService = "unknown_service"
	levelLabel     = "detected_level"
	traceLabel     = "trace_id"
	spanLabel      = "span_id"
	// HintAttr, on a resource, names further attributes of it that are labels,
	// separated by commas: the hint that OpenTelemetry's exporter for Loki reads.
	HintAttr = "loki.resource.labels"
)

// indexed are the resource attributes that are labels of streams: those that
// Loki's OTLP endpoint makes labels of.
var indexed = []string{
	serviceAttr, "service.namespace", "service.instance.id",
	"deployment.environment", "deployment.environment.name",
	"cloud.region", "cloud.availability_zone",
	"k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "container.name",
	"k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
}

// AttrOf is the resource attribute that a label of a stream is kept as.
func AttrOf(label string) string {
	for _, key := range indexed {
		if sanitize(key, true) == label {
			return key
		}
	}
	return label
}

// IsIndexed reports whether a resource attribute is a label without a hint.
func IsIndexed(attr string) bool { return slices.Contains(indexed, attr) }

// stream is what records of one resource share.
type stream struct {
	labels Labels
	rest   []store.Attr // of the resource, those that are no labels
	wanted bool         // the selector holds
}

// streamOf sorts a resource's attributes into labels and the rest.
func streamOf(r *store.Resource) *stream {
	s := &stream{}
	hint := ""
	if v, ok := store.Find(r.Attrs, HintAttr); ok && v.Type == store.String {
		hint = v.Str()
	}
	for _, a := range r.Attrs {
		name := sanitize(a.Key, true)
		isLabel := IsIndexed(a.Key) || hint != "" && hinted(hint, a.Key)
		switch {
		case a.Key == HintAttr && hint != "":
		case isLabel && a.Value.Type == store.String && s.labels.Get(name) == "":
			if a.Value.Str() != "" {
				s.labels = append(s.labels, Label{name, a.Value.Str()})
			}
		default:
			s.rest = append(s.rest, a)
		}
	}
	if s.labels.Get(serviceLabel) == "" {
		s.labels = append(s.labels, Label{serviceLabel, unknownService})
	}
	s.labels.sort()
	return s
}

// hinted reports whether key is in a list separated by commas.
func hinted(list, key string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == key {
			return true
		}
	}
	return false
}

// lineOf is the text of a record's body; one with structure becomes JSON, and
// bytes that are no text base64.
func lineOf(l *store.Log) string {
	if l.Body.Type == store.String || l.Body.Type == store.Bytes && utf8.ValidString(l.Body.Str()) {
		return l.Body.Str()
	}
	return valueText(l.Body)
}

// valueText is a value as text: of lists and maps their JSON, of bytes base64.
func valueText(v store.Value) string {
	switch v.Type {
	case store.Empty:
		return ""
	case store.String:
		return v.Str()
	case store.Bool:
		return strconv.FormatBool(v.Bool())
	case store.Int:
		return strconv.FormatInt(v.Int(), 10)
	case store.Double:
		return formatDouble(v.Double())
	case store.Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Str()))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(ingest.JSON(v)); err != nil {
		return "" // ingest.JSON gives only what encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func formatDouble(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// metadata yields everything of a record that is no label of its stream and not
// its line. A name may come more than once: the first counts.
func metadata(l *store.Log, s *stream, yield func(name, value string)) {
	yield(levelLabel, detectedLevel(l))
	if l.TraceID != (store.TraceID{}) {
		yield(traceLabel, l.TraceID.String())
	}
	if l.SpanID != (store.SpanID{}) {
		yield(spanLabel, l.SpanID.String())
	}
	if l.SeverityNumber != 0 {
		yield("severity_number", strconv.Itoa(int(l.SeverityNumber)))
	}
	if l.SeverityText != "" {
		yield("severity_text", l.SeverityText)
	}
	if l.ObservedTime != 0 && l.ObservedTime != l.At() {
		yield("observed_timestamp", strconv.FormatUint(l.ObservedTime, 10))
	}
	if l.EventName != "" {
		yield("event_name", l.EventName)
	}
	if l.Flags != 0 {
		yield("flags", strconv.FormatUint(uint64(l.Flags), 10))
	}
	flattenAttrs("", l.Attrs, yield)
	if l.Scope.Name != "" {
		yield("scope_name", l.Scope.Name)
	}
	if l.Scope.Version != "" {
		yield("scope_version", l.Scope.Version)
	}
	flattenAttrs("", l.Scope.Attrs, yield)
	flattenAttrs("", s.rest, yield)
}

// flattenAttrs yields attributes as labels; the keys of maps are joined with _.
func flattenAttrs(prefix string, attrs []store.Attr, yield func(name, value string)) {
	for _, a := range attrs {
		name := sanitize(a.Key, prefix == "")
		if prefix != "" {
			name = prefix + "_" + name
		}
		if a.Value.Type == store.Map {
			flattenAttrs(name, ingest.Entries(a.Value), yield)
			continue
		}
		if text := valueText(a.Value); text != "" && name != "" {
			yield(name, text)
		}
	}
}
