package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/grafana/regexp"
	"github.com/prometheus/prometheus/storage/remote"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// noOrigin lets pages of no other origin read the API. The server that mounts it
// may allow some.
var noOrigin = regexp.MustCompile("^$")

// apiPath is where Prometheus' clients expect the API.
const apiPath = "/api/v1"

// Handler answers the Prometheus HTTP API under /api/v1/, takes remote write
// (/api/v1/write) and OTLP (/api/v1/otlp/v1/metrics), and answers the health
// checks /-/healthy and /-/ready. After Close it answers 503.
func (db *DB) Handler() http.Handler {
	library := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { db.api().ServeHTTP(w, r) })
	mux := http.NewServeMux()
	mux.Handle(apiPath+"/", library)
	mux.Handle("POST "+apiPath+"/write", db.remoteWrite(library))
	mux.HandleFunc("POST "+apiPath+"/otlp/v1/metrics", db.serveOTLP)
	mux.HandleFunc("GET "+apiPath+"/metadata", db.serveMetadata)
	mux.HandleFunc("GET /-/healthy", serveText("Signalbox metrics are healthy.\n"))
	mux.HandleFunc("GET /-/ready", serveText("Signalbox metrics are ready.\n"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, release, err := db.acquireQuery(r.Context())
		if err != nil {
			writeError(w, err)
			return
		}
		defer release()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func serveText(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// writeError maps an error of this package to a status. Senders give up at 400
// and try again at 503.
func writeError(w http.ResponseWriter, err error) {
	var refused *RefusedError
	var down *UnavailableError
	switch {
	case errors.As(err, &refused):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.As(err, &down):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(down.RetryAfter.Seconds()))))
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default: // closed, or the client went away
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// serveOTLP takes an OTLP request. It goes through Append like all others: the
// library's own OTLP handler would keep sums of delta series beside ours, and
// throws the whole request away at the first sample that is too late.
func (db *DB) serveOTLP(w http.ResponseWriter, r *http.Request) {
	req, err := remote.DecodeOTLPWriteRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t, err := db.append(r.Context(), req.Metrics())
	if err != nil {
		writeError(w, err)
		return
	}
	res := pmetricotlp.NewExportResponse()
	if n := t.dropped(); n > 0 {
		res.PartialSuccess().SetRejectedDataPoints(int64(n))
		res.PartialSuccess().SetErrorMessage(t.example)
	}
	contentType, marshal := "application/x-protobuf", res.MarshalProto
	if r.Header.Get("Content-Type") == "application/json" {
		contentType, marshal = "application/json", res.MarshalJSON
	}
	body, err := marshal()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Write(body) // an error means that the client is gone
}

// metadataAnswer is the frame of every answer of the Prometheus API.
type metadataAnswer struct {
	Status    string                `json:"status"`
	Data      map[string][]Metadata `json:"data"`
	ErrorType string                `json:"errorType,omitempty"`
	Error     string                `json:"error,omitempty"`
}

// serveMetadata answers /api/v1/metadata, which the library answers from scrape
// targets that we do not have. Parameters: metric, limit, limit_per_metric.
func (db *DB) serveMetadata(w http.ResponseWriter, r *http.Request) {
	limit, err := intParam(r, "limit")
	if err != nil {
		writeMetadata(w, http.StatusBadRequest, metadataAnswer{Status: "error", ErrorType: "bad_data", Error: err.Error()})
		return
	}
	perMetric, err := intParam(r, "limit_per_metric")
	if err != nil {
		writeMetadata(w, http.StatusBadRequest, metadataAnswer{Status: "error", ErrorType: "bad_data", Error: err.Error()})
		return
	}
	data := map[string][]Metadata{}
	add := func(name string, mds []Metadata) bool {
		if limit >= 0 && len(data) >= limit {
			return false
		}
		if perMetric > 0 && len(mds) > perMetric {
			mds = mds[:perMetric]
		}
		data[name] = mds
		return true
	}
	if name := r.FormValue("metric"); name == "" {
		db.AllMetadata()(add)
	} else if mds := db.Metadata(name); len(mds) > 0 {
		add(name, mds)
	}
	writeMetadata(w, http.StatusOK, metadataAnswer{Status: "success", Data: data})
}

// intParam returns a number of the query, -1 when it is not given.
func intParam(r *http.Request, name string) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s must be a number", name)
	}
	return n, nil
}

func writeMetadata(w http.ResponseWriter, status int, a metadataAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(a) // an error means that the client is gone
}
