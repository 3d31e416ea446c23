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

// ownRoutes is the part of the table that is our own API; openapi.yaml
// documents each of them.
func (s *Server) ownRoutes() []route {
	return []route{
		{method: "GET", pattern: apiPrefix + "openapi.yaml", doc: "this API, described for programs", handle: s.openAPI},
		{method: "GET", pattern: apiPrefix + "status", doc: "version, uptime, what the store holds", handle: s.status},
	}
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI) // the client may be gone: nobody to tell
	return nil
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
	return nil
}

func (s *Server) ownMetrics(w http.ResponseWriter, r *http.Request) error {
	promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(w, r)
	return nil
}
