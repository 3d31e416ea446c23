package server

import (
	_ "embed"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// apiPrefix is where our own API lives.
const apiPrefix = "/api/signalbox/v1/"

// eventStream is the content type of live tails.
const eventStream = "text/event-stream"

//go:embed openapi.yaml
var openAPI []byte

// ownRoutes is the part of the table that is our own API about this process;
// openapi.yaml documents each line of ours.
func (s *Server) ownRoutes() []route {
	return []route{
		light("openapi.yaml", "this API, described for programs", s.openAPI),
		light("status", "version, uptime, what the store holds", s.status),
		light("pipelines", "how the collector is put together, and what went wrong in it", s.pipelines),
		{method: "GET", pattern: apiPrefix + "instrumentation", doc: "what the operator injects into pods, and what not", handle: s.instrumentation},
	}
}

// light is a line of our own API whose answer costs nothing.
func light(path, doc string, h handler) route {
	return route{method: "GET", pattern: apiPrefix + path, doc: doc, handle: h, light: true}
}

// dataRoutes is the part of the table that is our own API about data.
func (s *Server) dataRoutes() []route {
	own := func(path, doc string, h handler) route {
		return route{method: "GET", pattern: apiPrefix + path, doc: doc, handle: h}
	}
	live := func(path, doc string, h handler) route {
		return route{method: "GET", pattern: apiPrefix + path, doc: doc, handle: h, endless: true}
	}
	return []route{
		own("traces", "search for traces", s.searchTraces),
		own("traces/{id}", "one trace as a tree or as OTLP", s.trace),
		own("traces/{id}/ranks", "how slow the spans of a trace are for their operations", s.traceRanks),
		own("traces/points", "start and duration of each span, for a scatter", s.points),
		own("traces/heatmap", "spans by start and duration", s.heatmap),
		live("traces/tail", "spans as they arrive", s.tailTraces),
		own("spans", "search for single spans", s.searchSpans),
		own("logs", "search for log records", s.searchLogs),
		own("logs/volume", "log records over time, by severity", s.logVolume),
		own("logs/patterns", "forms of log bodies", s.logPatterns),
		own("logs/context", "log records before and after an instant", s.logContext),
		live("logs/tail", "log records as they arrive", s.tailLogs),
		own("services", "rate, errors and durations by service", s.services),
		own("services/{name}/operations", "rate, errors and durations by operation", s.serviceOperations),
		own("services/{name}/series", "rate, errors and durations of one service over time", s.serviceSeries),
		own("dependencies", "which service called which", s.serviceGraph),
		own("fields", "names that conditions can use", s.fields),
		own("fields/values", "values of one field", s.fieldValues),
		own("facets", "most frequent values among matching records", s.facets),
	}
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI) // the client may be gone: nobody to tell
	return nil
}

// health answers 200 once data can be sent and asked for.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	if s.deps.Ready != nil && !s.deps.Ready() {
		return &problem{Status: http.StatusServiceUnavailable, Kind: "unavailable", RetryAfter: 1, Message: "starting, or stopping"}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
	return nil
}

func (s *Server) ownMetrics(w http.ResponseWriter, r *http.Request) error {
	promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(w, r)
	return nil
}
