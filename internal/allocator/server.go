package allocator

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler answers over HTTP.
type handler struct {
	allocation *Allocation
	jobs       atomic.Pointer[jobs]
	ready      atomic.Bool
	metrics    *metrics
	exposition http.Handler
}

func newHandler(a *Allocation, m *metrics) *handler {
	return &handler{allocation: a, metrics: m, exposition: promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})}
}

// with answers, with secrets or without.
func (h *handler) with(secrets bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		route := h.serve(w, r, secrets)
		h.metrics.http.WithLabelValues(route).Observe(time.Since(start).Seconds())
	})
}

// serve answers and returns the route. Routes are found here and not by a
// ServeMux, which would clean the names of jobs in paths.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, secrets bool) string {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
		return "other"
	}
	switch path {
	case "/livez":
		w.WriteHeader(http.StatusOK)
		return path
	case "/metrics":
		h.exposition.ServeHTTP(w, r)
		return path
	case "/debug/pprof/cmdline", "/debug/pprof/profile", "/debug/pprof/symbol", "/debug/pprof/trace":
		map[string]http.HandlerFunc{
			"cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
		}[strings.TrimPrefix(path, "/debug/pprof/")](w, r)
		return "/debug/pprof/"
	}
	if strings.HasPrefix(path, "/debug/pprof/") {
		pprof.Index(w, r)
		return "/debug/pprof/"
	}
	// What is incomplete would make collectors drop what they scrape; they keep
	// it when there is no answer. The receiver does not look at the status of
	// /scrape_configs: the text must not be a YAML map.
	if !h.ready.Load() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "discovery has not said anything yet", http.StatusServiceUnavailable)
		return "not ready"
	}
	return h.serveReady(w, r, path, secrets)
}

func (h *handler) serveReady(w http.ResponseWriter, r *http.Request, path string, secrets bool) string {
	if wantsPage(r, path) {
		if p := h.pageOf(path, r.URL.Query()); p != nil {
			writePage(w, p)
			return "page"
		}
	}
	switch path {
	case "/readyz":
		w.WriteHeader(http.StatusOK)
		return path
	case "/scrape_configs":
		j := h.jobs.Load()
		body := j.redacted
		if secrets {
			body = j.plain
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // the client has gone
		return path
	case "/jobs":
		links := map[string]link{}
		for _, c := range h.jobs.Load().configs {
			links[c.JobName] = link{Link: jobPath(c.JobName)}
		}
		writeJSON(w, links)
		return path
	}
	if job, ok := jobOf(path); ok {
		h.targets(w, r, job)
		return "/jobs/:job_id/targets"
	}
	http.NotFound(w, r)
	return "other"
}

// link says where more is.
type link struct {
	Link string `json:"_link"`
}

// group is a target as Prometheus' HTTP discovery wants it.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// share are the targets of one collector.
type share struct {
	Link    string  `json:"_link"`
	Targets []group `json:"targets"`
}

func jobPath(job string) string { return "/jobs/" + url.QueryEscape(job) + "/targets" }

// jobOf is the job that a path names, which is escaped as in a query.
func jobOf(path string) (job string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/jobs/")
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, "/targets"); !ok {
		return "", false
	}
	job, err := url.QueryUnescape(rest)
	return job, err == nil
}

func (h *handler) targets(w http.ResponseWriter, r *http.Request, job string) {
	q := r.URL.Query()
	if q.Has("collector_id") {
		writeJSON(w, groups(h.allocation.Targets(job, q.Get("collector_id"))))
		return
	}
	all := map[string]share{}
	for name, targets := range h.allocation.ByCollector(job) {
		all[name] = share{
			Link:    jobPath(job) + "?collector_id=" + url.QueryEscape(name),
			Targets: groups(targets),
		}
	}
	writeJSON(w, all)
}

func groups(targets []*target) []group {
	all := make([]group, len(targets))
	for i, t := range targets {
		all[i] = group{Targets: []string{t.address}, Labels: t.labels}
	}
	return all
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // strings and maps encode; the client may have gone
}
