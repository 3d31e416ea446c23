package server

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

const (
	jsonType     = "application/json"
	protobufType = "application/x-protobuf"
)

// lokiPush takes lines in: protobuf compressed with snappy, or JSON. They are
// kept like records that come as OTLP: labels of streams as attributes of the
// resource, metadata as those of the record. 204 says that nothing can be lost
// any more.
func (s *Server) lokiPush(w http.ResponseWriter, r *http.Request) error {
	body, isJSON, err := s.pushed(r)
	if err != nil {
		return err
	}
	p := pusher{logs: plog.NewLogs(), now: s.deps.Now(), most: s.deps.Limits.PushParts}
	if isJSON {
		err = p.json(body)
	} else {
		err = p.snappy(body, s.deps.Limits.PushBytes)
	}
	if err != nil {
		return badPush(err)
	}
	if p.logs.LogRecordCount() > 0 {
		batch, err := ingest.Logs(p.logs)
		if err != nil {
			return badPush(err)
		}
		if err := s.keep(r, batch); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lokiOTLP takes records in as OTLP, at the path at which Loki does.
func (s *Server) lokiOTLP(w http.ResponseWriter, r *http.Request) error {
	body, isJSON, err := s.pushed(r)
	if err != nil {
		return err
	}
	var batch *store.Batch
	if isJSON {
		request := plogotlp.NewExportRequest()
		if err = request.UnmarshalJSON(body); err == nil {
			batch, err = ingest.Logs(request.Logs())
		}
	} else {
		batch, err = ingest.LogsFromWire(body)
	}
	if err != nil {
		return badPush(err)
	}
	if err := s.keep(r, batch); err != nil {
		return err
	}
	if isJSON {
		return writeJSON(w, struct{}{})
	}
	w.Header().Set("Content-Type", protobufType) // the empty message has no bytes
	w.WriteHeader(http.StatusOK)
	return nil
}

// badPush says that a body cannot be understood, or is too large.
func badPush(err error) error {
	var tooLarge *http.MaxBytesError
	var known *problem
	if errors.As(err, &tooLarge) || errors.As(err, &known) {
		return err
	}
	return &problem{Status: http.StatusBadRequest, Kind: "bad_request", Message: err.Error()}
}

// keep appends a batch. A sender that is too fast is told so with 429, as Loki
// does, and comes again.
func (s *Server) keep(r *http.Request, batch *store.Batch) error {
	if s.deps.Appender == nil {
		return &problem{Status: http.StatusServiceUnavailable, Kind: "unavailable", Message: "this process takes no data in"}
	}
	err := s.deps.Appender.Append(r.Context(), batch)
	var overload *store.OverloadError
	if errors.As(err, &overload) && !overload.DiskFull() {
		p := problemOf(err)
		p.Status = http.StatusTooManyRequests
		return p
	}
	return err
}

// pushed reads a body; gzip is undone.
func (s *Server) pushed(r *http.Request) (body []byte, isJSON bool, err error) {
	contentType := protobufType
	if header := r.Header.Get("Content-Type"); header != "" {
		if contentType, _, err = mime.ParseMediaType(header); err != nil {
			return nil, false, badPush(fmt.Errorf("content type %q: %w", header, err))
		}
	}
	if contentType != jsonType && contentType != protobufType {
		return nil, false, &problem{Status: http.StatusUnsupportedMediaType, Kind: "bad_request", Message: "the content type is neither " + jsonType + " nor " + protobufType}
	}
	var from io.Reader = r.Body
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "", "identity", "snappy":
	case "gzip":
		gz, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, false, badPush(fmt.Errorf("reading gzip: %w", err))
		}
		from = io.LimitReader(gz, s.deps.Limits.PushBytes+1)
	default:
		return nil, false, &problem{Status: http.StatusUnsupportedMediaType, Kind: "bad_request", Message: fmt.Sprintf("content encoding %q is not known; there are gzip and snappy", coding)}
	}
	body, err = io.ReadAll(from)
	if err == nil && int64(len(body)) > s.deps.Limits.PushBytes {
		err = &http.MaxBytesError{Limit: s.deps.Limits.PushBytes}
	}
	if err != nil {
		return nil, false, badPush(fmt.Errorf("reading the body: %w", err))
	}
	return body, contentType == jsonType, nil
}

// pusher turns pushed streams into log records.
type pusher struct {
	logs plog.Logs
	now  time.Time
	// parts are the streams and lines so far. They are bounded because small ones
	// take many times more memory than they have bytes.
	parts, most int
}

// room reports whether n more parts are too many.
func (p *pusher) room(n int) error {
	if p.parts+n > p.most {
		return &problem{Status: http.StatusRequestEntityTooLarge, Kind: "too_large",
			Message: fmt.Sprintf("there are more than %d streams and lines in one push; send several", p.most)}
	}
	return nil
}

// part counts a stream or a line.
func (p *pusher) part() error {
	p.parts++
	return p.room(0)
}

// pushedStream is one stream of a push in JSON. Values are lists of time, line
// and, when there is metadata, an object; they are taken one by one.
type pushedStream struct {
	Stream map[string]string `json:"stream"`
	Values json.RawMessage   `json:"values"`
}

// json reads an object with a list of streams.
func (p *pusher) json(body []byte) error {
	err := eachJSON(body, '{', func(dec *json.Decoder) error {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var content json.RawMessage
		if err := dec.Decode(&content); err != nil || key != "streams" {
			return err
		}
		return eachJSON(content, '[', p.jsonStream)
	})
	var known *problem
	if err != nil && !errors.As(err, &known) {
		return fmt.Errorf("reading JSON: %w", err)
	}
	return err
}

// eachJSON calls item at each element of a list, or at each key of an object.
func eachJSON(text []byte, open json.Delim, item func(*json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil {
		return err
	} else if t != open {
		return fmt.Errorf("%v is not expected here; expected %v", t, open)
	}
	for dec.More() {
		if err := item(dec); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func (p *pusher) jsonStream(dec *json.Decoder) error {
	var stream pushedStream
	if err := dec.Decode(&stream); err != nil {
		return err
	}
	labels := make(logql.Labels, 0, len(stream.Stream))
	for name, value := range stream.Stream {
		labels = append(labels, logql.Label{Name: name, Value: value})
	}
	slices.SortFunc(labels, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	add, err := p.stream(labels)
	if err != nil || stream.Values == nil {
		return err
	}
	return eachJSON(stream.Values, '[', func(dec *json.Decoder) error {
		var value []json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		at, line, metadata, err := pushedValue(value)
		if err != nil {
			return err
		}
		return add(at, line, metadata)
	})
}

// pushedValue reads ["time in nanoseconds", "line", {metadata}].
func pushedValue(value []json.RawMessage) (at int64, line string, metadata logql.Labels, err error) {
	if len(value) != 2 && len(value) != 3 {
		return 0, "", nil, fmt.Errorf("a value has %d parts; it has a time, a line and possibly metadata", len(value))
	}
	var text string
	if err := json.Unmarshal(value[0], &text); err != nil {
		return 0, "", nil, errors.New("the time of a value is text: the nanoseconds since 1970 in quotes")
	}
	if at, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, "", nil, fmt.Errorf("%q is no time in nanoseconds since 1970", text)
	}
	if err := json.Unmarshal(value[1], &line); err != nil {
		return 0, "", nil, fmt.Errorf("reading a line: %w", err)
	}
	if len(value) == 3 {
		var object map[string]string
		if err := json.Unmarshal(value[2], &object); err != nil {
			return 0, "", nil, fmt.Errorf("reading metadata, which is an object of texts: %w", err)
		}
		for name, value := range object {
			metadata = append(metadata, logql.Label{Name: name, Value: value})
		}
		slices.SortFunc(metadata, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	}
	return at, line, metadata, nil
}

// snappy reads a PushRequest message: streams (1) of labels (1) and entries (2)
// of time (1: seconds 1, nanoseconds 2), line (2) and metadata (3: name 1, value 2).
func (p *pusher) snappy(body []byte, limit int64) error {
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return fmt.Errorf("reading snappy: %w", err)
	}
	if int64(n) > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	message, err := snappy.Decode(nil, body)
	if err != nil {
		return fmt.Errorf("reading snappy: %w", err)
	}
	return protoFields(message, map[protowire.Number]func([]byte) error{1: p.protoStream}, nil)
}

func (p *pusher) protoStream(b []byte) error {
	var text string
	var entries [][]byte
	err := protoFields(b, map[protowire.Number]func([]byte) error{
		1: func(v []byte) error { text = string(v); return nil },
		2: func(v []byte) error {
			entries = append(entries, v)
			return p.room(len(entries))
		},
	}, nil)
	if err != nil {
		return err
	}
	labels, err := logql.ParseLabels(text)
	if err != nil {
		return fmt.Errorf("labels %s: %w", text, err)
	}
	add, err := p.stream(labels)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		at, line, metadata, err := protoEntry(entry)
		if err != nil {
			return err
		}
		if err := add(at, line, metadata); err != nil {
			return err
		}
	}
	return nil
}

func protoEntry(b []byte) (at int64, line string, metadata logql.Labels, err error) {
	err = protoFields(b, map[protowire.Number]func([]byte) error{
		1: func(v []byte) error {
			return protoFields(v, nil, func(n protowire.Number, v uint64) {
				switch n {
				case 1:
					at += int64(v) * int64(time.Second)
				case 2:
					at += int64(int32(v))
				}
			})
		},
		2: func(v []byte) error { line = string(v); return nil },
		3: func(v []byte) error {
			var l logql.Label
			err := protoFields(v, map[protowire.Number]func([]byte) error{
				1: func(v []byte) error { l.Name = string(v); return nil },
				2: func(v []byte) error { l.Value = string(v); return nil },
			}, nil)
			metadata = append(metadata, l)
			return err
		},
	}, nil)
	return at, line, metadata, err
}

// protoFields goes through a message: what has a length goes to one of fields,
// other numbers to number; what neither wants is skipped.
func protoFields(b []byte, fields map[protowire.Number]func([]byte) error, number func(protowire.Number, uint64)) error {
	for len(b) > 0 {
		field, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("reading protobuf: %w", protowire.ParseError(n))
		}
		b = b[n:]
		var err error
		switch read := fields[field]; {
		case wire == protowire.BytesType && read != nil:
			var v []byte
			if v, n = protowire.ConsumeBytes(b); n >= 0 {
				err = read(v)
			}
		case wire == protowire.VarintType && number != nil:
			var v uint64
			if v, n = protowire.ConsumeVarint(b); n >= 0 {
				number(field, v)
			}
		default:
			n = protowire.ConsumeFieldValue(field, wire, b)
		}
		if n < 0 {
			return fmt.Errorf("reading protobuf: %w", protowire.ParseError(n))
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// serviceLabels name the service of a stream that has no service_name: the first
// one that is there.
var serviceLabels = []string{
	"service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container", "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name",
}

// stream begins the records of one stream; what it returns adds one.
func (p *pusher) stream(labels logql.Labels) (add func(at int64, line string, metadata logql.Labels) error, err error) {
	if err := p.part(); err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return nil, errors.New("error at least one label pair is required per stream")
	}
	rl := p.logs.ResourceLogs().AppendEmpty()
	attrs := rl.Resource().Attributes()
	var hints []string
	for _, l := range labels {
		if l.Name == "" || len(l.Name) > 1024 {
			return nil, fmt.Errorf("stream %s has a label whose name is empty or too long", labels)
		}
		attr := logql.AttrOf(l.Name)
		if !logql.IsIndexed(attr) {
			hints = append(hints, attr)
		}
		attrs.PutStr(attr, l.Value)
	}
	if labels.Get("service_name") == "" {
		for _, name := range serviceLabels {
			if value := labels.Get(name); value != "" {
				attrs.PutStr(logql.AttrOf("service_name"), value)
				break
			}
		}
	}
	if len(hints) > 0 {
		attrs.PutStr(logql.HintAttr, strings.Join(hints, ", "))
	}
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	return func(at int64, line string, metadata logql.Labels) error {
		if err := p.part(); err != nil {
			return err
		}
		if at <= 0 {
			return fmt.Errorf("stream %s has a line without a time", labels)
		}
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.Timestamp(at))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(p.now))
		r.Body().SetStr(line)
		r.SetSeverityNumber(plog.SeverityNumber(logql.SeverityOf(line, slices.Concat(metadata, labels)...)))
		for _, l := range metadata {
			if !setID(r, l) {
				r.Attributes().PutStr(l.Name, l.Value)
			}
		}
		return nil
	}, nil
}

// setID makes the record's own ids of metadata that says them, so that a trace
// leads to its lines.
func setID(r plog.LogRecord, l logql.Label) bool {
	id, err := hex.DecodeString(l.Value)
	if err != nil || bytes.Equal(id, make([]byte, len(id))) {
		return false
	}
	switch {
	case l.Name == "trace_id" && len(id) == 16:
		r.SetTraceID(pcommon.TraceID(id))
	case l.Name == "span_id" && len(id) == 8:
		r.SetSpanID(pcommon.SpanID(id))
	default:
		return false
	}
	return true
}
