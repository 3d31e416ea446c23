package server

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
)

// serverMetrics is what the server counts about its own work.
type serverMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
	tails    prometheus.Gauge
	missed   prometheus.Counter
}

func newServerMetrics(reg prometheus.Registerer) *serverMetrics {
	m := &serverMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signalbox_http_requests_total", Help: "Answered requests, by route and status code.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signalbox_http_request_duration_seconds", Help: "Time to answer a request, live tails left out.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_http_panics_total", Help: "Panics of handlers, each a defect of the server.",
		}),
		tails: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signalbox_http_tails", Help: "Open live tails.",
		}),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_http_tail_missed_records_total", Help: "Matching records not sent to a live tail because its client reads too slowly.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.panics, m.tails, m.missed)
	return m
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// watch counts the requests that next answers and survives its panics.
func (s *Server) watch(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.deps.Now()
		sw := &statusWriter{ResponseWriter: w}
		defer func() {
			abort := s.recovered(sw, r, recover())
			s.metrics.requests.WithLabelValues(route, strconv.Itoa(sw.status)).Inc()
			if w.Header().Get("Content-Type") != eventStream && !websocket.IsWebSocketUpgrade(r) {
				s.metrics.seconds.WithLabelValues(route).Observe(s.deps.Now().Sub(begun).Seconds())
			}
			if abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(sw, r)
	})
}

// recovered answers for a handler that panicked with v; nil is none. It reports
// whether the connection must be cut, because part of an answer is out already
// and the client would take it for the whole.
func (s *Server) recovered(w *statusWriter, r *http.Request, v any) (abort bool) {
	switch {
	case v == nil:
		if w.status == 0 {
			w.status = http.StatusOK
		}
		return false
	case v == http.ErrAbortHandler:
		return true
	}
	s.metrics.panics.Inc()
	s.deps.Logger.Error("handler panicked", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	if w.status != 0 {
		return true
	}
	writeProblem(w, &problem{Status: http.StatusInternalServerError, Kind: "internal", Message: "a defect of the server; it is in its log"})
	return false
}

// binaryType is of answers that hardly get smaller.
const binaryType = "application/octet-stream"

// gzipWriter compresses an answer when the client accepts it and the answer is
// of a type that gets smaller.
type gzipWriter struct {
	http.ResponseWriter
	accepted bool
	begun    bool
	gz       *gzip.Writer // nil: as is
}

// gzipWriters are kept because one takes a megabyte. They are fast rather than
// thorough: most answers go to a browser nearby, which waits.
var gzipWriters = sync.Pool{New: func() any {
	gz, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return gz
}}

// compress wraps w; close must be called when the answer is written.
func compress(w http.ResponseWriter, r *http.Request) *gzipWriter {
	return &gzipWriter{ResponseWriter: w, accepted: acceptsGzip(r.Header.Get("Accept-Encoding")) && r.Method != http.MethodHead}
}

// acceptsGzip reads an Accept-Encoding header; "gzip;q=0" is a refusal.
func acceptsGzip(header string) bool {
	for _, part := range strings.Split(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding = strings.TrimSpace(coding); coding != "gzip" && coding != "*" {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && weight > 0
	}
	return false
}

func (w *gzipWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		h := w.Header()
		h.Add("Vary", "Accept-Encoding")
		bodyless := status == http.StatusNoContent || status == http.StatusNotModified
		if w.accepted && !bodyless && h.Get("Content-Encoding") == "" && h.Get("Content-Type") != binaryType {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			w.gz = gzipWriters.Get().(*gzip.Writer)
			w.gz.Reset(w.ResponseWriter)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *gzipWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.gz != nil {
		return w.gz.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// FlushError sends what was written so far.
func (w *gzipWriter) FlushError() error {
	if w.gz != nil {
		if err := w.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *gzipWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gzipWriter) close() {
	if w.gz != nil {
		_ = w.gz.Close() // the client may be gone: nobody to tell
		gzipWriters.Put(w.gz)
		w.gz = nil
	}
}
