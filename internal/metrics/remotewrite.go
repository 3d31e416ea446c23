package metrics

import (
	"context"
	"net/http"
	"strings"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// remoteV1 marks the context of a remote write 1 request.
type remoteV1 struct{}

// remoteWrite refuses requests while the disk is full, and marks the request's
// context with the version of its protocol: the library's handler gives an
// appender nothing else to know it by.
func (db *DB) remoteWrite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := db.room.check(); err != nil {
			writeError(w, db.refuse(err))
			return
		}
		contentType := r.Header.Get("Content-Type")
		msg, err := remoteapi.ParseProtoMsg(contentType)
		if contentType == "" || err == nil && msg == remoteapi.WriteV1MessageType {
			r = r.WithContext(context.WithValue(r.Context(), remoteV1{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// remoteAppendable is the storage behind the remote write handler.
type remoteAppendable struct{ db *DB }

// Appender implements storage.Appendable.
func (a remoteAppendable) Appender(ctx context.Context) storage.Appender {
	_, v1 := ctx.Value(remoteV1{}).(bool)
	return &remoteAppender{Appender: a.db.tsdb.Appender(ctx), db: a.db, tally: newTally(), keepGoing: v1}
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
	keepGoing bool
}

// Append implements storage.Appender.
func (a *remoteAppender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	ref, err := a.Appender.Append(ref, l, t, v)
	return a.counted(ref, l, err)
}

// AppendHistogram implements storage.Appender.
func (a *remoteAppender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, err := a.Appender.AppendHistogram(ref, l, t, h, fh)
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
