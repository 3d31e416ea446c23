package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of one remote write request: senders split at a fraction of them.
const (
	maxRemoteWriteBytes   = 32 << 20  // as sent
	maxRemoteWriteDecoded = 256 << 20 // the head of compressed bytes may claim 4 GB
)

// remoteV1 marks the context of a remote write 1 request.
type remoteV1 struct{}

// remoteWrite does for a remote write request what the library's handler does
// not: it refuses requests while the disk is full and ones that are too large,
// notes the metadata of version 1, and marks the request's context with the
// version, because an appender is given nothing else to know it by.
func (db *DB) remoteWrite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := db.room.check(); err != nil {
			writeError(w, db.refuse(err))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRemoteWriteBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		if n, err := snappy.DecodedLen(body); err == nil && n > maxRemoteWriteDecoded {
			http.Error(w, fmt.Sprintf("request is %d bytes decoded, %d are taken", n, maxRemoteWriteDecoded), http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		contentType := r.Header.Get("Content-Type")
		msg, err := remoteapi.ParseProtoMsg(contentType)
		if contentType == "" || err == nil && msg == remoteapi.WriteV1MessageType {
			r = r.WithContext(context.WithValue(r.Context(), remoteV1{}, true))
			db.noteRemoteMetadata(body)
		}
		next.ServeHTTP(w, r)
	})
}

// noteRemoteMetadata keeps the metadata of a remote write 1 request, which the
// library's handler passes over. Bytes that it cannot read are left for that
// handler to refuse.
func (db *DB) noteRemoteMetadata(body []byte) {
	const metadataField = 3 // of prometheus.WriteRequest
	raw, err := snappy.Decode(nil, body)
	for err == nil && len(raw) > 0 {
		field, wire, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return
		}
		value := raw[n:]
		if n = protowire.ConsumeFieldValue(field, wire, value); n < 0 {
			return
		}
		raw = value[n:]
		if field != metadataField || wire != protowire.BytesType {
			continue
		}
		value, _ = protowire.ConsumeBytes(value)
		var md prompb.MetricMetadata
		if err = md.Unmarshal(value); err == nil {
			db.metadata.note(md.MetricFamilyName, Metadata{Type: strings.ToLower(md.Type.String()), Help: md.Help, Unit: md.Unit})
		}
	}
}

// remoteAppendable is the storage behind the remote write handler.
type remoteAppendable struct{ db *DB }

// Appender implements storage.Appendable.
func (a remoteAppendable) Appender(ctx context.Context) storage.Appender {
	_, v1 := ctx.Value(remoteV1{}).(bool)
	return &remoteAppender{Appender: a.db.tsdb.Appender(ctx), db: a.db, tally: newTally(), limit: a.db.seriesLimit(), keepGoing: v1}
}

// remoteAppender counts what becomes of one remote write request.
//
// Version 2 tells the sender how many samples were written and goes on after
// one that was not; the errors go through. Version 1 has no such answer and its
// handler throws the whole request away at the first late sample, so these are
// counted and taken out of its sight.
type remoteAppender struct {
	storage.Appender
	db        *DB
	tally     *tally
	limit     seriesLimit
	keepGoing bool
}

// admit fails for a new series when there are too many.
func (a *remoteAppender) admit(ref storage.SeriesRef, l labels.Labels) (storage.SeriesRef, error) {
	if a.limit == nil {
		return ref, nil
	}
	ref, known := a.limit(a.Appender, ref, l)
	if !known {
		// The library's handler takes this one for the sender's fault.
		return 0, fmt.Errorf("%w: %w", storage.ErrOutOfBounds, errTooManySeries)
	}
	return ref, nil
}

// Append implements storage.Appender.
func (a *remoteAppender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	ref, err := a.admit(ref, l)
	if err == nil {
		ref, err = a.Appender.Append(ref, l, t, v)
	}
	return a.counted(ref, l, err)
}

// AppendHistogram implements storage.Appender.
func (a *remoteAppender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, err := a.admit(ref, l)
	if err == nil {
		ref, err = a.Appender.AppendHistogram(ref, l, t, h, fh)
	}
	return a.counted(ref, l, err)
}

func (a *remoteAppender) counted(ref storage.SeriesRef, l labels.Labels, err error) (storage.SeriesRef, error) {
	a.tally.sample(l.Get(labels.MetricName), err)
	if err != nil && a.keepGoing {
		return 0, nil
	}
	return ref, err
}

// AppendExemplar implements storage.Appender.
func (a *remoteAppender) AppendExemplar(ref storage.SeriesRef, l labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	ref, err := a.Appender.AppendExemplar(ref, l, e)
	if err != nil {
		a.tally.exemplars++
	}
	return ref, err
}

// UpdateMetadata implements storage.Appender: it keeps the metadata in our own
// store, not in the TSDB's log, which nothing reads.
func (a *remoteAppender) UpdateMetadata(ref storage.SeriesRef, l labels.Labels, m metadata.Metadata) (storage.SeriesRef, error) {
	a.db.metadata.note(familyName(l.Get(labels.MetricName), m.Type), Metadata{Type: string(m.Type), Unit: m.Unit, Help: m.Help})
	return ref, nil
}

// familyName is the name of the metric that a series belongs to: the series of
// a classic histogram or a summary have suffixes.
func familyName(series string, t model.MetricType) string {
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram, model.MetricTypeSummary:
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if name, ok := strings.CutSuffix(series, suffix); ok {
				return name
			}
		}
	}
	return series
}

// Commit implements storage.Appender.
func (a *remoteAppender) Commit() error {
	if err := a.Appender.Commit(); err != nil {
		return a.db.refuse(err)
	}
	a.db.count(a.tally)
	return nil
}
