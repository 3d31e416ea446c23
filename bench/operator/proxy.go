package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// proxy stands between the operator and the API server, and counts writes.
type proxy struct {
	*httptest.Server
	mu     sync.Mutex
	writes map[string]int // by verb and resource
}

// newProxy starts a proxy to the API server of config. Requests keep the
// credentials that they have.
func newProxy(config *rest.Config) (*proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	if err != nil {
		return nil, err
	}
	p := &proxy{writes: map[string]int{}}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r)
		forward.ServeHTTP(w, r)
	}))
	p.EnableHTTP2 = true
	p.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	p.StartTLS()
	return p, nil
}

// count counts a request that writes. Leases are how replicas know that they
// live, and reviews ask without changing anything.
func (p *proxy) count(r *http.Request) {
	if r.Method == http.MethodGet || r.URL.Query().Has("dryRun") || strings.Contains(r.URL.Path, "/leases") || strings.Contains(r.URL.Path, "reviews") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes[r.Method+" "+resource(r.URL.Path)]++
}

// resource is the resource that a path of the API is about, without namespace
// and name: deployments, or opentelemetrycollectors/status.
func resource(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	parts = parts[min(len(parts), map[string]int{"api": 2, "apis": 3}[parts[0]]):] // with group and version
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	switch len(parts) {
	case 0:
		return path
	case 3:
		return parts[0] + "/" + parts[2]
	}
	return parts[0]
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.writes)
}

// reportWrites is the number of writes since the last reset; what they were is told.
func (p *proxy) reportWrites() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := 0
	for what, n := range p.writes {
		progress("  %d × %s", n, what)
		all += n
	}
	return all
}
